"""A declared broker and a migrated database for each test of the bus."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from dev.servers.broker import Broker
from shared.messaging import topology
from shared.messaging.publisher import Publisher
from shared.store import Pool, open_pool
from tests.integration.messaging.support import EFFECTS, Effects, manager_url


@pytest_asyncio.fixture
async def bus(rabbitmq: Broker, amqp_url: str) -> str:
    """Return the administrator's address of a virtual host in which everything is declared."""
    await topology.declare(amqp_url, manager_url(rabbitmq), settle_seconds=0)
    return amqp_url


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Yield the provisioner's pool."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(EFFECTS)
    await connection.close()
    async with open_pool(database_url, role="provisioner", max_size=10) as pool:
        yield pool


@pytest_asyncio.fixture
async def operator_pool(database_url: str) -> AsyncIterator[Pool]:
    """Yield the operator's pool."""
    async with open_pool(database_url, role="operator", max_size=2) as opened:
        yield opened


@pytest_asyncio.fixture
async def effects(pool: Pool) -> Effects:
    """Return a handler whose effects can be seen."""
    return Effects(pool)


@pytest_asyncio.fixture
async def publisher(bus: str) -> AsyncIterator[Publisher]:
    """Yield a publisher with the administrator's rights."""
    async with Publisher(bus, name="test") as publisher:
        yield publisher
