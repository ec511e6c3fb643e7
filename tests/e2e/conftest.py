"""The platform for the tests of a module, and what a failing test shows of it."""

from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

from dev.folders import run_folder
from tests.e2e.platform import Platform


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform() -> AsyncIterator[Platform]:
    """Yield a platform that the tests of a module share; each uses names of its own."""
    with run_folder("e2e") as folder:
        async with Platform.running(folder) as running:
            yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the ends of all logs of the platform into the report of a test that failed."""
    report = yield
    platform = getattr(item, "funcargs", {}).get("platform")
    if report.failed and isinstance(platform, Platform):
        report.sections += [(f"log of {name}", tail) for name, tail in platform.tails().items()]
    return report
