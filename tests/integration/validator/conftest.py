"""A validator in this process, with real sandbox processes, a real broker and a real database."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from certsmith.rotation import generation
from dev.platform.customer_ca import Authority
from dev.platform.uploading import Uploader
from shared.messaging.broker import topology
from shared.store import Connection, Pool, open_pool
from shared.vault import KeyFiles
from tests.rig.validator.surroundings import Rig


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Return a CA that issues the customer's certificates."""
    return Authority()


@pytest.fixture
def key_files(tmp_path: Path) -> KeyFiles:
    """Return key rings made for this test."""
    generation.generate(tmp_path / "keys")
    return KeyFiles(keys_dir=tmp_path / "keys")


@pytest.fixture
def uploader(key_files: KeyFiles) -> Uploader:
    """Return a customer's program that uploads."""
    return Uploader(key_files.keys_dir / "intake.public.json")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the validator's rights."""
    async with open_pool(database_url, role="validator", max_size=6) as opened:
        yield opened


@pytest_asyncio.fixture
async def provisioner(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the provisioner's rights."""
    async with open_pool(database_url, role="provisioner", max_size=2) as opened:
        yield opened


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Yield a connection with the rights of the tables' owner."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def rig(
    amqp_url: str, rabbitmq: Any, database_url: str, key_files: KeyFiles, uploader: Uploader
) -> AsyncIterator[Rig]:
    """Yield what surrounds a validator, and records the facts that it publishes."""
    login = f"http://{rabbitmq.user}:{rabbitmq.password}@"
    await topology.declare(amqp_url, rabbitmq.management_url.replace("http://", login), settle_seconds=0)
    async with asyncpg.create_pool(database_url, min_size=0) as database:
        rig = Rig(amqp_url=amqp_url, database=database, database_url=database_url, keys=key_files, uploader=uploader)
        async with rig.recording():
            yield rig
