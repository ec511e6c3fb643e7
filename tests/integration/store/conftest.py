"""What the tests of the store share: a pool and a connection of each role on a database of the test's own."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from shared.store import Connection, Pool, open_pool


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
