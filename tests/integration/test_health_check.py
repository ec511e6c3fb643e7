"""`python -m shared.process.health_check` against the pages that services serve."""

import asyncio

import pytest

from dev.ports import LOOPBACK, free_port
from shared.errors import SettingsError
from shared.process.health import health_server
from shared.process.health_check import main, probe


async def asked(path: str, missing: dict[str, str], *, is_stopping: bool = False) -> str | None:
    """Return the health check's result for *path* of a process that lacks *missing*."""

    async def what_is_missing() -> dict[str, str]:
        return missing

    stop = asyncio.Event()
    if is_stopping:
        stop.set()
    async with health_server(LOOPBACK, 0, what_is_missing, stop=stop) as port:
        return await asyncio.to_thread(probe, f"http://{LOOPBACK}:{port}{path}")


async def test_a_ready_process_is_healthy() -> None:
    assert await asked("/ready", {}) is None


async def test_a_process_that_is_not_ready_says_what_is_missing() -> None:
    assert (
        await asked("/ready", {"store": "does not answer", "bus": "is away"}) == "store: does not answer\nbus: is away"
    )


async def test_a_process_that_is_not_ready_is_live() -> None:
    assert await asked("/live", {"store": "does not answer"}) is None


async def test_a_process_is_not_ready_from_the_moment_of_a_stop() -> None:
    assert await asked("/ready", {}, is_stopping=True) == "stopping: the work in progress is being finished"
    assert await asked("/live", {}, is_stopping=True) is None


async def test_a_page_in_progress_does_not_delay_a_stop() -> None:
    asked_for = asyncio.Event()

    async def hangs() -> dict[str, str]:
        asked_for.set()
        await asyncio.Event().wait()
        return {}

    loop = asyncio.get_running_loop()
    async with health_server(LOOPBACK, 0, hangs, stop=asyncio.Event()) as port:
        probing = asyncio.create_task(asyncio.to_thread(probe, f"http://{LOOPBACK}:{port}/ready"))
        await asked_for.wait()
        left_at = loop.time()

    assert loop.time() - left_at < 3
    assert "does not answer" in (await probing or "")


async def test_a_missing_page_is_unhealthy() -> None:
    assert await asked("/nothing", {}) == "404: Not Found"


async def test_a_port_in_use_is_a_wrong_setting() -> None:
    async def nothing() -> dict[str, str]:
        return {}

    async with health_server(LOOPBACK, 0, nothing, stop=asyncio.Event()) as port:
        with pytest.raises(SettingsError, match=rf"_METRICS_PORT: cannot listen on {LOOPBACK} port {port}: Address al"):
            async with health_server(LOOPBACK, port, nothing, stop=asyncio.Event()):
                pass


def test_an_address_without_a_listener_is_unhealthy(capfd: pytest.CaptureFixture[str]) -> None:
    address = f"http://{LOOPBACK}:{free_port()}/ready"

    assert main([address]) == 1
    assert f"{address} does not answer" in capfd.readouterr().err


@pytest.mark.parametrize("text", ["https://localhost/", "localhost:80", ""])
def test_only_plain_http_addresses_are_accepted(text: str) -> None:
    assert probe(text) == f"{text} is not an http:// address"


def test_it_accepts_exactly_one_address() -> None:
    assert main([]) == 2
