"""Shared by the tests of the store: a pool, a connection of the tables' owner, and a server for one module."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from dev.folders import run_folder
from dev.servers.postgresql import PostgreSQL
from shared.store import Connection, Pool, open_pool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_postgresql() -> AsyncIterator[PostgreSQL]:
    """Yield a server whose roles the tests of one module may change: roles belong to the whole server."""
    with run_folder("test") as folder:
        async with await PostgreSQL.start(folder / "postgresql") as server:
            yield server


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Yield a connection of the tables' owner."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the provisioner's rights."""
    async with open_pool(database_url, role="provisioner", max_size=8) as opened:
        yield opened
