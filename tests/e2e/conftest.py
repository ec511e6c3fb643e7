"""The platform for the tests of a module, and what a failing test shows of it."""

import re
import shutil
import sys
from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import pytest
import pytest_asyncio

from dev.folders import run_folder
from dev.platform.logins import new_passwords
from dev.platform.platform import Platform
from dev.platform.servers import PlatformServers, open_servers
from dev.servers import Pebble, PostgreSQL, RabbitMQ
from dev.servers.broker import Broker
from dev.servers.database import DatabaseServer
from tests.rig.chaos.domains import Campaign, Chaos

KEPT: Final = Path(__file__).parents[2] / ".run" / "failed"
TAIL_LINES: Final = 30
TAIL_WIDTH: Final = 400


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_servers(
    session_folder: Path, rabbitmq: Broker, postgresql: DatabaseServer, pebble: Pebble
) -> AsyncIterator[PlatformServers]:
    """Yield the private servers that all modules of this worker share; given ones are not used."""
    if isinstance(rabbitmq, RabbitMQ) and isinstance(postgresql, PostgreSQL):
        yield PlatformServers(
            folder=session_folder,
            broker=rabbitmq,
            database=postgresql,
            pebble=pebble,
            roots=await pebble.roots(),
            passwords=new_passwords(),
            are_shared=True,
        )
        return
    with run_folder("e2e") as folder:
        async with open_servers(folder) as servers:
            yield replace(servers, are_shared=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_servers() -> AsyncIterator[PlatformServers]:
    """Yield servers that only the tests of this module use."""
    with run_folder("e2e") as folder:
        async with open_servers(folder) as servers:
            yield servers


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> PlatformServers:
    """Return the servers for this module's platforms: its own ones if it is marked `own_servers`, as it stops them."""
    has_own = request.node.get_closest_marker("own_servers") is not None
    found: PlatformServers = request.getfixturevalue("own_servers" if has_own else "shared_servers")
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(servers: PlatformServers) -> AsyncIterator[Platform]:
    """Yield a platform that the tests of a module share; each uses names of its own."""
    async with Platform.on(servers, "platform") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def chaos(
    request: pytest.FixtureRequest, servers: PlatformServers, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Chaos]:
    """Yield the campaign that the test names, on a platform of its own."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    campaign: Campaign = request.param
    async with Platform.on(servers, f"seed-{campaign.seed}") as platform:
        yield Chaos(platform, campaign, say)


@runtime_checkable
class HasLogs(Protocol):
    """The fixtures of a test that have logs."""

    def logs(self) -> Mapping[str, Path]:
        """Return the logs by name."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each log of a test that failed, and keep them all."""
    report = yield
    given: Mapping[str, object] = getattr(item, "funcargs", {}) if report.failed else {}
    logs = [log for each in given.values() if isinstance(each, HasLogs) for log in each.logs().items()]
    for name, log in logs:
        if log.exists():
            kept = _keep(log, name=name, test=item.name)
            tail = [line[:TAIL_WIDTH] for line in log.read_text(errors="replace").splitlines()[-TAIL_LINES:]]
            report.sections.append((f"log of {name}, all of it in {kept}", "\n".join(tail)))
    return report


def _keep(log: Path, *, name: str, test: str) -> Path:
    folder = KEPT / re.sub(r"[^\w.-]+", "-", test)
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(log, folder / f"{name}.log"))
