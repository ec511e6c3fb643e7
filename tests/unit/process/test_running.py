"""A service's parts start when the database answers, and end in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

import aiohttp
import pytest

from shared.errors import SettingsError, StoreUnavailableError
from shared.process.lifecycle import EX_CONFIG
from shared.process.running import Parts, run_program, run_service
from shared.settings import ServiceSettings


class _Settings(ServiceSettings):
    service: ClassVar[str] = "test"


class _MemoryDatabase:
    """A database that answers, or does not for the reason *away*."""

    away: str | None = None

    async def check(self) -> None:
        if self.away:
            raise StoreUnavailableError(self.away)


class _RecordingPart:
    """A part that notes in *log* when it starts and ends."""

    def __init__(self, name: str, log: list[str], *, hangs: bool = False) -> None:
        self.name = name
        self.log = log
        self.hangs = hangs
        self.trouble: str | None = None
        self.started = asyncio.Event()

    async def run(self, stop: asyncio.Event, /) -> None:
        self.log.append(f"{self.name} starts")
        self.started.set()
        try:
            await (asyncio.Event() if self.hangs else stop).wait()
        finally:
            self.log.append(f"{self.name} ends")


class _Service:
    """A service with one part of each kind."""

    def __init__(self, *, port: int | None = None, grace_seconds: float = 30, work_hangs: bool = False) -> None:
        self.log: list[str] = []
        self.settings = _Settings(metrics_port=port, grace_seconds=grace_seconds)
        self.database = _MemoryDatabase()
        self.opening = asyncio.Event()
        self.answers = asyncio.Event()
        self.stop = asyncio.Event()
        self.relay = _RecordingPart("relay", self.log)
        self.consumer = _RecordingPart("consumer", self.log)
        self.worker = _RecordingPart("worker", self.log, hangs=work_hangs)

    @asynccontextmanager
    async def open_database(self) -> AsyncIterator[_MemoryDatabase]:
        self.opening.set()
        await self.answers.wait()
        yield self.database
        self.log.append("database closes")

    async def compose(self, _stack: AsyncExitStack, _database: _MemoryDatabase) -> Parts:
        return Parts(
            relay=self.relay, consumer=self.consumer, work=(self.worker.run,), watched={"workshop": self.worker}
        )

    async def run(self) -> None:
        await run_service(self.settings, self.stop, database=self.open_database(), compose=self.compose)


async def test_the_relay_ends_after_everything_that_publishes() -> None:
    service = _Service()
    service.answers.set()

    running = asyncio.create_task(service.run())
    await service.worker.started.wait()
    service.stop.set()
    await running

    assert sorted(service.log[-4:-2]) == ["consumer ends", "worker ends"]
    assert service.log[-2:] == ["relay ends", "database closes"]


async def test_work_that_hangs_is_cancelled_within_the_grace_period() -> None:
    service = _Service(grace_seconds=0.1, work_hangs=True)
    service.answers.set()

    running = asyncio.create_task(service.run())
    await service.worker.started.wait()
    service.stop.set()
    await running

    assert service.log[-3:] == ["worker ends", "relay ends", "database closes"]


async def test_a_stop_before_the_database_answers_starts_no_part() -> None:
    service = _Service()

    running = asyncio.create_task(service.run())
    await asyncio.sleep(0)
    service.stop.set()
    await running

    assert service.log == []


async def test_ready_names_every_part_that_cannot_work(unused_tcp_port: int) -> None:
    service = _Service(port=unused_tcp_port)
    running = asyncio.create_task(service.run())

    async def ready() -> tuple[int, str]:
        url = f"http://127.0.0.1:{unused_tcp_port}/ready"
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            return response.status, await response.text()

    await service.opening.wait()
    waiting = await ready()
    service.answers.set()
    await service.worker.started.wait()
    well = await ready()
    service.database.away, service.consumer.trouble, service.worker.trouble = "no answer", "no queue", "no tools"
    ill = await ready()
    service.stop.set()
    await running

    assert waiting == (503, "database: waiting for PostgreSQL and its schema\n")
    assert well == (200, "ready\n")
    assert ill == (503, "database: no answer\nbroker: no queue\nworkshop: no tools\n")


def test_wrong_settings_are_named_and_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def prepare() -> tuple[ServiceSettings, object]:
        raise SettingsError("AMQP_URL: an address is needed")

    assert run_program("test", prepare) == EX_CONFIG  # type: ignore[arg-type] # it returns nothing at all
    assert capsys.readouterr().err == "AMQP_URL: an address is needed\n"
