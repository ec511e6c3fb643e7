"""A process ends in its own time, by force, or with an error."""

import asyncio
import os
import signal

import pytest

from shared.errors import SettingsError
from shared.process.lifecycle import EX_CONFIG, leaving, run


async def test_a_block_that_ends_before_the_stop_is_not_cancelled() -> None:
    stop = asyncio.Event()

    async with leaving(stop, seconds=0):
        await asyncio.sleep(0)
    stop.set()
    await asyncio.sleep(0)


async def test_a_block_that_hangs_is_cancelled_some_time_after_the_stop() -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(0.1, stop.set)
    began = loop.time()

    async with leaving(stop, seconds=0.1), asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(asyncio.Event().wait())

    assert hanging.cancelled()
    assert 0.2 <= loop.time() - began < 2


async def test_an_error_in_a_block_is_raised() -> None:
    with pytest.raises(TimeoutError, match="of its own"):
        async with leaving(asyncio.Event(), seconds=60):
            raise TimeoutError("of its own")


async def test_a_task_that_is_cancelled_in_a_block_stays_cancelled() -> None:
    async def hang() -> None:
        async with leaving(asyncio.Event(), seconds=60):
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await asyncio.sleep(0)
    hanging.cancel()

    with pytest.raises(asyncio.CancelledError):
        await hanging


def test_a_service_that_returns_after_the_signal_exits_with_0() -> None:
    async def serve(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    assert run(serve, grace_seconds=60) == 0


@pytest.mark.parametrize("signals", [1, 2])
def test_a_service_that_does_not_return_is_cancelled_after_its_grace_or_at_a_second_signal(signals: int) -> None:
    async def serve(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        if signals == 2:
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    assert run(serve, grace_seconds=0.1 if signals == 1 else 60) == 1


def test_a_service_that_fails_exits_with_1() -> None:
    async def serve(_stop: asyncio.Event) -> None:
        raise RuntimeError("a bug")

    assert run(serve, grace_seconds=60) == 1


def test_wrong_settings_are_written_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    async def serve(_stop: asyncio.Event) -> None:
        raise SettingsError("AMQP_URL: an address is needed")

    assert run(serve, grace_seconds=60) == EX_CONFIG
    assert capsys.readouterr().err == "AMQP_URL: an address is needed\n"
