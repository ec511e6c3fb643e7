"""Real servers for the tests.

Each worker process of a run starts its own, once, when the first test asks for one, so workers share nothing. Within a
worker, each test has a virtual host and a database of its own. A test that stops or breaks a server starts its own
(`own_rabbitmq` and so on).

With `AMQP_URL` (and `AMQP_MANAGEMENT_URL`) or `DATABASE_URL` set, the shared broker or database is that one. The
CA is always our own: tests set the records of its DNS server and read its log.
"""

import logging
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings

from certsmith.migration.schema import migrate
from dev.folders import run_folder
from dev.ports import free_address
from dev.servers.broker import Broker
from dev.servers.database import DatabaseServer
from dev.servers.pebble import Pebble
from dev.servers.postgresql import PostgreSQL
from dev.servers.rabbitmq import RabbitMQ

# Hypothesis measures how long an example takes by the wall clock, which says nothing on a busy machine.
settings.register_profile("full", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("full"), max_examples=20)  # `make test-unit`
settings.load_profile("full")

TEMPLATE: Final = "certsmith_template"
MEMORY: Final = Path("/dev/shm")
MEMORY_BYTES: Final = 4 << 30  # a run needs less than one

# Programs that tests start must react to Ctrl-C and write lines of any width, also in a shell's background job, which
# has SIGINT ignored, or run under a program that tells its width.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.pop("COLUMNS", None)

# The files of servers are many and short-lived: in memory a RabbitMQ starts in half the time, and ext4, which does not
# use the place of a file again that was deleted a moment ago, takes the more time for a new one the more were deleted.
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes longest first, so that no worker is left alone with a long file at the end."""
    items.sort(key=_place)  # stable: the order within a file stays


def _place(item: pytest.Item) -> tuple[int, bool]:
    folders = ("e2e", "integration", "unit")
    kind = next((number for number, folder in enumerate(folders) if folder in item.path.parts), len(folders))
    return kind, item.get_closest_marker("own_servers") is None


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Undo what a test did to the logs: the stream that it had them written to is closed after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """Yield a folder for the servers that all tests of this worker share."""
    with run_folder("tests") as folder:
        yield folder


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Yield a folder for a test's own servers: unlike `tmp_path`, PostgreSQL's user can reach it."""
    with run_folder("test") as folder:
        yield folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rabbitmq(session_folder: Path) -> AsyncIterator[Broker]:
    """Yield the broker that all tests of this worker share; `amqp_url` is a test's own place in it."""
    if given := os.environ.get("AMQP_URL"):
        yield Broker.at(given, os.environ.get("AMQP_MANAGEMENT_URL"))
        return
    async with await RabbitMQ.start(session_folder / "rabbitmq") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgresql(session_folder: Path) -> AsyncIterator[DatabaseServer]:
    """Yield the server that all tests of this worker share; `database_url` is a test's own database in it."""
    if given := os.environ.get("DATABASE_URL"):
        yield DatabaseServer(given)
        return
    async with await PostgreSQL.start(session_folder / "postgresql") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pebble(session_folder: Path) -> AsyncIterator[Pebble]:
    """Yield the certificate authority that all tests of this worker share; tests use names of their own."""
    async with await Pebble.start(session_folder / "pebble") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_template(postgresql: DatabaseServer) -> AsyncIterator[str]:
    """Yield the name of a migrated database, to be copied: a copy takes a twentieth of the migration's time."""
    name = f"{TEMPLATE}_{secrets.token_hex(6)}"
    url = await postgresql.create_database(name)
    await migrate(url)
    yield name
    await postgresql.drop_database(url)


@pytest_asyncio.fixture
async def vhost(rabbitmq: Broker) -> AsyncIterator[str]:
    """Yield the name of an empty virtual host of this test's own."""
    name = f"test-{secrets.token_hex(6)}"
    await rabbitmq.add_vhost(name)
    yield name
    await rabbitmq.delete_vhost(name)


@pytest.fixture
def amqp_url(rabbitmq: Broker, vhost: str) -> str:
    """Return the administrator's address of this test's own virtual host."""
    return rabbitmq.url_for(rabbitmq.user, rabbitmq.password, vhost=vhost)


@pytest_asyncio.fixture
async def empty_database_url(postgresql: DatabaseServer) -> AsyncIterator[str]:
    """Yield the address of an empty database of this test's own."""
    url = await postgresql.create_database()
    yield url
    await postgresql.drop_database(url)


@pytest_asyncio.fixture
async def database_url(postgresql: DatabaseServer, migrated_template: str) -> AsyncIterator[str]:
    """Yield the administrator's address of a migrated database of this test's own."""
    url = await postgresql.create_database(template=migrated_template)
    yield url
    await postgresql.drop_database(url)


@pytest_asyncio.fixture
async def own_rabbitmq(server_folder: Path) -> AsyncIterator[RabbitMQ]:
    """Yield a broker that this test may stop, kill and search."""
    async with await RabbitMQ.start(server_folder / "rabbitmq") as server:
        yield server


@pytest_asyncio.fixture
async def own_postgresql(server_folder: Path) -> AsyncIterator[PostgreSQL]:
    """Yield a database server that this test may stop, kill and search."""
    async with await PostgreSQL.start(server_folder / "postgresql") as server:
        yield server


@pytest_asyncio.fixture
async def own_pebble(server_folder: Path) -> AsyncIterator[Pebble]:
    """Yield a certificate authority that this test may stop and kill."""
    async with await Pebble.start(server_folder / "pebble") as server:
        yield server


@pytest.fixture
def loopback_address() -> str:
    """Return a loopback address of this test's own, so that any port of it may be listened on."""
    return free_address()
