"""Messages whose bytes the AMQP library cannot parse harm neither the consumer nor other messages."""

import struct

import aiormq
import pamqp.frame
import pytest
from aiormq.abc import ChannelFrame
from pamqp.commands import Basic

from dev.waiting import finished
from shared.messaging import dead_letters
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.publisher import Publisher
from shared.store import Pool
from tests.rig.messaging.support import Effects, a_request, running, until


def a_table(pairs: bytes) -> bytes:
    return struct.pack(">I", len(pairs)) + pairs


def nested_tables(depth: int) -> bytes:
    table = a_table(b"")
    for _ in range(depth):
        table = a_table(b"\x01aF" + table)
    return table


HOSTILE = {
    "a time stamp beyond year 9999": (1 << 6, struct.pack(">Q", 2**64 - 1)),
    "a content type that is not UTF-8": (1 << 15, b"\x02\xff\xfe"),
    "a header name that is not UTF-8": (1 << 13, a_table(b"\x02\xff\xfeS\x00\x00\x00\x01x")),
    "a header with such a time stamp": (1 << 13, a_table(b"\x01aT" + struct.pack(">Q", 2**64 - 1))),
    "headers nested deep": (1 << 13, nested_tables(1500)),
}


async def publish_bytes(url: str, *, flags: int, properties: bytes, routing_key: bytes = b"domain.created") -> None:
    """Publish a message whose bytes no client library would send."""
    async with aiormq.Connection(url) as connection:
        channel = await connection.channel()
        method = pamqp.frame.marshal(
            Basic.Publish(exchange="certsmith.public", routing_key="k" * len(routing_key)), channel.number
        ).replace(b"k" * len(routing_key), routing_key)
        header = struct.pack(">HHQH", 60, 0, 2, flags) + properties
        frames = [method]
        for kind, payload in ((2, header), (3, b"{}")):
            frames.append(struct.pack(">BHI", kind, channel.number, len(payload)) + payload + b"\xce")
        await connection.write_queue.put(ChannelFrame(payload=b"".join(frames), should_close=False))
        await channel.queue_declare("provisioner.domain.created", passive=True)  # answered after it was published


async def until_letters(operator_pool: Pool, *codes: str) -> None:
    async def there() -> bool:
        async with operator_pool.acquire() as connection:
            found = await dead_letters.list_newest(connection)
        return sorted(stored.letter.reason_code for stored in found) == sorted(codes)

    await until(there, f"the dead letters {codes}")


@pytest.mark.parametrize(("flags", "properties"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_properties_that_cannot_be_parsed_harm_no_other_message(
    bus: str, pool: Pool, operator_pool: Pool, publisher: Publisher, effects: Effects, flags: int, properties: bytes
) -> None:
    consumer = Consumer(bus, pool, service="provisioner", subscriptions=[effects.subscription()])
    await publisher.publish(a_request("before.example"))
    await publish_bytes(bus, flags=flags, properties=properties)
    await publisher.publish(a_request("after.example"))

    async with running(consumer.run):
        await until(lambda: effects.are("before.example", "after.example"), "the effects of the others")
        await until_letters(operator_pool, "unreadable_properties")


async def test_a_routing_key_that_is_not_utf8_harms_no_other_message(
    bus: str, pool: Pool, operator_pool: Pool, publisher: Publisher, effects: Effects
) -> None:
    consumer = Consumer(bus, pool, service="provisioner", subscriptions=[effects.subscription()])
    await publish_bytes(bus, flags=0, properties=b"", routing_key=b"domain.\xff\xfe")
    await publisher.publish(a_request("after.example"))

    async with running(consumer.run):
        await until(lambda: effects.are("after.example"), "the effect of the other")
        await until_letters(operator_pool, "unroutable")


async def test_bodies_of_many_megabytes_are_refused_without_being_kept_in_memory(
    bus: str, pool: Pool, operator_pool: Pool, publisher: Publisher, effects: Effects
) -> None:
    consumer = Consumer(bus, pool, service="provisioner", subscriptions=[effects.subscription()])
    async with aiormq.Connection(bus) as connection:
        channel = await connection.channel()
        for _ in range(3):
            await finished(
                channel.basic_publish(b"x" * 20_000_000, exchange="certsmith.public", routing_key="domain.created"),
                "a large body to be published",
            )
    await publisher.publish(a_request("after.example"))

    async with running(consumer.run):
        await until(lambda: effects.are("after.example"), "the effect of the other")
        await until_letters(operator_pool, "too_large", "too_large", "too_large")
