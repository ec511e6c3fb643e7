"""Requests in, effects and facts out, while servers and links fail: nothing is lost, and every effect happens once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiormq
import asyncpg
import pytest
import pytest_asyncio

from certsmith.migration.schema import migrate
from dev.servers.postgresql import PostgreSQL, StopMode
from dev.servers.rabbitmq import RabbitMQ
from shared.events import DomainChanged, DomainCreated, Event, Incoming
from shared.messaging import outbox
from shared.messaging.broker import topology
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Subscription
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.store import Connection, Pool, open_pool
from tests.rig.messaging.support import EFFECTS, Effects, Proxy, a_request, manager_url, running, until

Fault = Callable[["World"], Awaitable[None]]
KEPT = "facts"  # a durable queue that keeps all facts


@dataclass
class World:
    """The whole bus, through a proxy, with a handler that publishes a fact for each request."""

    rabbitmq: RabbitMQ
    postgresql: PostgreSQL
    proxy: Proxy
    pool: Pool
    effects: Effects
    publisher: Publisher
    received: set[str] = field(default_factory=set)
    published: list[str] = field(default_factory=list)

    async def handle(self, connection: Connection, event: Incoming) -> None:
        """Have the effect, and publish a fact about it."""
        await self.effects.handle(connection, event)
        assert isinstance(event.data, DomainCreated)
        data = DomainChanged(domain=event.data.domain, version=1, deleted=False)
        await outbox.publish(connection, service="provisioner", event=Event(data=data, source="certsmith/provisioner"))

    async def publish(self, prefix: str, count: int) -> None:
        """Publish *count* requests, one after another, each confirmed."""
        for number in range(count):
            name = f"{prefix}-{number}.example"
            await self.publisher.publish(a_request(name), seconds=120)
            self.published.append(name)

    async def has_effects(self, count: int) -> bool:
        """Return whether there are *count* effects."""
        return len(await self.effects.domains()) >= count

    async def facts(self) -> list[str]:
        """Return the subjects of all facts published so far, copies included."""
        subjects = []
        async with aiormq.Connection(self.rabbitmq.amqp_url) as connection:
            channel = await connection.channel()
            while (message := await channel.basic_get(KEPT)).delivery_tag is not None:
                subjects.append(str((message.header.properties.headers or {})["ce-subject"]))
        return subjects

    async def has_all_facts(self) -> bool:
        """Return whether a fact was published for each request."""
        self.received |= set(await self.facts())
        return self.received == set(self.published)


@pytest_asyncio.fixture
async def world(own_rabbitmq: RabbitMQ, own_postgresql: PostgreSQL) -> AsyncIterator[World]:
    """Yield the bus at work."""
    database_url = await own_postgresql.create_database()
    await migrate(database_url)
    administrator = await asyncpg.connect(database_url)
    await administrator.execute(EFFECTS)
    await administrator.close()
    await keep_facts(own_rabbitmq.amqp_url)  # first: what follows waits until the broker keeps new queues
    await topology.declare(own_rabbitmq.amqp_url, manager_url(own_rabbitmq))
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(own_rabbitmq.host, own_rabbitmq.port))
        url = own_rabbitmq.amqp_url.replace(f":{own_rabbitmq.port}/", f":{proxy.port}/")
        pool = await stack.enter_async_context(open_pool(database_url, role="provisioner", max_size=10))
        publisher = await stack.enter_async_context(Publisher(url, name="test"))
        sender = await stack.enter_async_context(Publisher(url, name="test relay"))
        world = World(own_rabbitmq, own_postgresql, proxy, pool, Effects(pool), publisher)
        subscription = Subscription(DomainCreated.type, world.handle)
        consumer = Consumer(url, pool, service="provisioner", subscriptions=[subscription], hold_seconds=2)
        await stack.enter_async_context(running(Relay(database_url, pool, sender, service="provisioner").run))
        await stack.enter_async_context(running(consumer.run))
        yield world


async def keep_facts(url: str) -> None:
    async with aiormq.Connection(url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(KEPT, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.exchange_declare("certsmith.events", exchange_type="topic", durable=True)
        await channel.queue_bind(KEPT, "certsmith.events", "domain.changed")


async def kill_the_broker(world: World) -> None:
    await world.rabbitmq.kill()
    await world.rabbitmq.resume()


async def restart_the_broker(world: World) -> None:
    await world.rabbitmq.restart()


async def stop_the_database_at_once(world: World) -> None:
    await world.postgresql.stop(StopMode.IMMEDIATE)
    await asyncio.sleep(0.5)
    await world.postgresql.resume()


async def keep_the_database_away(world: World) -> None:
    await world.postgresql.stop(StopMode.IMMEDIATE)
    await asyncio.sleep(5)  # longer than the consumer holds started messages
    await world.postgresql.resume()


async def cut_the_link_some_times(world: World) -> None:
    """Cut it less often than the broker's delivery limit: each cut counts for all messages that were prefetched."""
    for _ in range(4):
        world.proxy.cut()
        await asyncio.sleep(0.3)


async def cut_the_link_many_times(world: World) -> None:
    for _ in range(8):
        world.proxy.cut()
        await asyncio.sleep(0.3)


async def swallow_all_for_a_while(world: World) -> None:
    world.proxy.swallow()
    await asyncio.sleep(3)
    world.proxy.carry()


async def swallow_all_until_it_is_noticed(world: World) -> None:
    world.proxy.swallow()
    await asyncio.sleep(15)
    world.proxy.carry()


BROKER = (kill_the_broker, restart_the_broker)
DATABASE = (stop_the_database_at_once, keep_the_database_away)
SWALLOWING = (swallow_all_for_a_while, swallow_all_until_it_is_noticed)
LINK = (cut_the_link_many_times, *SWALLOWING)


@pytest.mark.parametrize(
    ("faults", "count"),
    [
        pytest.param((kill_the_broker, *DATABASE, cut_the_link_some_times, *SWALLOWING), 20, id="one after the other"),
        pytest.param(BROKER, 60, id="broker", marks=pytest.mark.soak),
        pytest.param(DATABASE, 60, id="database", marks=pytest.mark.soak),
        pytest.param(LINK, 60, id="link", marks=pytest.mark.soak),
    ],
)
async def test_nothing_is_lost_and_every_effect_happens_once(
    world: World, faults: tuple[Fault, ...], count: int
) -> None:
    for fault in faults:
        async with asyncio.TaskGroup() as tasks:
            moment = len(await world.effects.domains()) + count // 3
            for task in range(4):
                tasks.create_task(world.publish(f"{fault.__name__}-{task}", count))
            await until(lambda moment=moment: world.has_effects(moment), "the fault's moment")  # type: ignore[misc]  # mypy cannot infer the lambda
            await fault(world)
        await world.publish(f"after-{fault.__name__}", count)
        await until(lambda: world.effects.are(*world.published), "one effect for each request")

    await until(world.has_all_facts, "a fact for each request")
    async with world.pool.acquire() as connection:
        assert await outbox.statistics(connection) == ()
    assert len(world.published) == 5 * count * len(faults)
