"""The platform for the tests of a module, and what a failing test shows of it."""

import sys
from collections.abc import AsyncIterator, Generator, Mapping
from typing import Protocol, runtime_checkable

import pytest
import pytest_asyncio

from dev.folders import run_folder
from tests.e2e.chaos import Campaign, Chaos
from tests.e2e.ground import Ground, open_ground
from tests.e2e.platform import Platform


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    """Yield servers that the tests of a module share, and may stop and start again."""
    with run_folder("e2e") as folder:
        async with open_ground(folder) as servers:
            yield servers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(ground: Ground) -> AsyncIterator[Platform]:
    """Yield a platform that the tests of a module share; each uses names of its own."""
    async with Platform.on(ground, "platform") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def chaos(
    request: pytest.FixtureRequest, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Chaos]:
    """Yield the campaign that the test names, on a platform of its own."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    campaign: Campaign = request.param
    async with Platform.on(ground, f"seed-{campaign.seed}") as platform:
        yield Chaos(platform, campaign, say)


@runtime_checkable
class HasLogs(Protocol):
    """What a test was given that has logs."""

    def tails(self) -> Mapping[str, str]:
        """Return the end of each log."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the ends of all logs into the report of a test that failed."""
    report = yield
    if report.failed:
        given: Mapping[str, object] = getattr(item, "funcargs", {})
        logs = [each.tails() for each in given.values() if isinstance(each, HasLogs)]
        report.sections += [(f"log of {name}", tail) for each in logs for name, tail in each.items()]
    return report
