"""`python -m shared.probe` against the pages that services serve."""

import asyncio

import pytest

from dev.ports import LOOPBACK, free_port
from shared.errors import SettingsError
from shared.metrics import health_server
from shared.probe import main, probe


async def asked(path: str, missing: dict[str, str]) -> str | None:
    """Return what the probe says of *path* of a process for whose work *missing* is missing."""

    async def what_is_missing() -> dict[str, str]:
        return missing

    async with health_server(LOOPBACK, 0, what_is_missing) as port:
        return await asyncio.to_thread(probe, f"http://{LOOPBACK}:{port}{path}")


async def test_a_ready_process_is_healthy() -> None:
    assert await asked("/ready", {}) is None


async def test_a_process_that_is_not_ready_says_what_is_missing() -> None:
    assert (
        await asked("/ready", {"store": "does not answer", "bus": "is away"}) == "store: does not answer\nbus: is away"
    )


async def test_a_process_that_is_not_ready_lives() -> None:
    assert await asked("/live", {"store": "does not answer"}) is None


async def test_a_page_that_is_not_there_is_a_reason() -> None:
    assert await asked("/nothing", {}) == "404: Not Found"


async def test_a_port_that_is_taken_is_a_wrong_setting() -> None:
    async def nothing() -> dict[str, str]:
        return {}

    async with health_server(LOOPBACK, 0, nothing) as port:
        with pytest.raises(SettingsError, match=rf"_METRICS_PORT: cannot listen on {LOOPBACK} port {port}: Address al"):
            async with health_server(LOOPBACK, port, nothing):
                pass


def test_nobody_at_the_address_is_a_reason(capfd: pytest.CaptureFixture[str]) -> None:
    address = f"http://{LOOPBACK}:{free_port()}/ready"

    assert main([address]) == 1
    assert f"{address} does not answer" in capfd.readouterr().err


@pytest.mark.parametrize("text", ["https://localhost/", "localhost:80", ""])
def test_only_addresses_of_plain_http_are_asked(text: str) -> None:
    assert probe(text) == f"{text} is no http:// address"


def test_it_takes_one_address() -> None:
    assert main([]) == 2
