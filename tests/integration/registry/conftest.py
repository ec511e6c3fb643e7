"""Shared by the tests of the registry: a connection of the tables' owner, and a pool for each service that writes."""

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


@pytest_asyncio.fixture
async def validator(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the validator's rights."""
    async with open_pool(database_url, role="validator", max_size=8) as opened:
        yield opened
