"""`kill -9` at each point between two steps: the next process completes the work."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from dev.waiting import finished
from shared.events import DomainChanged, Event
from shared.messaging import outbox
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.store import Pool
from tests.integration.messaging.test_relay import hearing, is_empty
from tests.rig.messaging.support import Effects, a_request, running, until

ROOT = Path(__file__).parents[3]


async def crash(point: str, amqp_url: str, database_url: str) -> None:
    """Run the process that kills itself at *point*, and check that it did."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "tests" / "rig" / "messaging" / "crashing.py",
        point,
        amqp_url,
        database_url,
        env={"PYTHONPATH": str(ROOT)},
    )
    try:
        assert await finished(process.wait(), f"the process to die {point}") == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(("point", "copies"), [("before_publish", 1), ("after_publish", 2)])
async def test_a_relay_killed_before_or_after_publishing_loses_nothing(
    bus: str, pool: Pool, database_url: str, publisher: Publisher, point: str, copies: int
) -> None:
    events = [
        Event(data=DomainChanged(domain="a.example", version=number, deleted=False), source="certsmith/provisioner")
        for number in range(3)
    ]
    async with pool.transaction() as connection:
        for event in events:
            await outbox.publish(connection, service="provisioner", event=event)

    async with hearing(bus) as heard:
        await crash(point, bus, database_url)
        async with running(Relay(database_url, pool, publisher, service="provisioner").run):
            await until(lambda: heard.has(*events), "all facts")
            await until(lambda: is_empty(pool), "the outbox to be empty")

    assert heard.ids == [events[0].id] * copies + [events[1].id, events[2].id]


@pytest.mark.parametrize("point", ["before_commit", "before_ack"])
async def test_a_consumer_killed_before_or_after_its_commit_has_each_effect_once(
    bus: str, pool: Pool, database_url: str, publisher: Publisher, effects: Effects, point: str
) -> None:
    names = [f"{number}.example" for number in range(3)]
    for name in names:
        await publisher.publish(a_request(name))

    await crash(point, bus, database_url)
    assert len(await effects.domains()) == (1 if point == "before_ack" else 0)
    consumer = Consumer(bus, pool, service="provisioner", subscriptions=[effects.subscription()])
    async with running(consumer.run):
        await until(lambda: effects.are(*names), "each effect, once")
        await publisher.publish(a_request("last.example"))
        await until(lambda: effects.are(*names, "last.example"), "the last effect")
