"""A declared broker and a migrated database for each test of the bus."""

from collections.abc import AsyncIterator
from typing import Any

import aiormq
import asyncpg
import pytest
import pytest_asyncio

from dev.servers.broker import Broker
from shared.events import DomainCreated
from shared.messaging.broker import topology
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Handle, Subscription
from shared.messaging.publisher import Publisher
from shared.store import Pool, open_pool
from tests.rig.messaging.support import EFFECTS, Effects, MakeConsumer, manager_url


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


@pytest.fixture
def make_consumer(bus: str, pool: Pool, effects: Effects) -> MakeConsumer:
    """Return what makes a consumer of the provisioner's; without a handler it is the effects'."""

    def make(handle: Handle | None = None, **options: Any) -> Consumer:
        subscription = Subscription(DomainCreated.type, handle or effects.handle)
        return Consumer(bus, pool, service="provisioner", subscriptions=[subscription], **options)

    return make


@pytest_asyncio.fixture
async def channel(bus: str) -> AsyncIterator[aiormq.Channel]:
    """Yield a channel of any AMQP client."""
    async with aiormq.Connection(bus) as connection:
        opened = await connection.channel()
        assert isinstance(opened, aiormq.Channel)
        yield opened
