"""The consumer's promises, on a real broker and a real database."""

import asyncio
import json

import aiormq

from shared.errors import PermanentError, TransientError
from shared.events import DomainCreated, Incoming
from shared.messaging.publisher import Publisher
from shared.store import Connection, Pool
from tests.rig.messaging.support import Effects, MakeConsumer, a_request, running, say, until, until_letters

# Acting --------------------------------------------------------------------------------------------------------------


async def test_a_request_has_its_effect_and_is_acknowledged(
    make_consumer: MakeConsumer, publisher: Publisher, effects: Effects, channel: aiormq.Channel
) -> None:
    async with running(make_consumer().run):
        await publisher.publish(a_request("shop.example"))
        await until(lambda: effects.are("shop.example"), "the effect")

    found = await channel.queue_declare("provisioner.domain.created", passive=True)
    assert found.message_count == 0


async def test_five_copies_at_once_have_one_effect(
    make_consumer: MakeConsumer, publisher: Publisher, effects: Effects
) -> None:
    event = a_request("shop.example")

    async with running(make_consumer().run):
        await asyncio.gather(*(publisher.publish(event) for _ in range(5)))
        await publisher.publish(a_request("last.example"))
        await until(lambda: effects.are("shop.example", "last.example"), "both effects, once each")


async def test_the_same_id_of_another_source_is_another_event(
    make_consumer: MakeConsumer, channel: aiormq.Channel, effects: Effects
) -> None:
    async with running(make_consumer().run):
        for source in ("shop", "pages"):
            headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": source, "ce-type": "domain.created"}
            await say(channel, json.dumps({"domain": f"{source}.example"}).encode(), headers=headers)
        await until(lambda: effects.are("shop.example", "pages.example"), "both effects")


async def test_without_an_id_every_copy_is_handled(
    make_consumer: MakeConsumer, channel: aiormq.Channel, effects: Effects
) -> None:
    async with running(make_consumer().run):
        for _ in range(2):
            await say(channel, b'{"domain": "shop.example"}', message_id="always the same")
        await until(lambda: effects.are("shop.example", "shop.example"), "both effects")


async def test_an_effect_of_a_handler_that_fails_is_undone(
    make_consumer: MakeConsumer, publisher: Publisher, effects: Effects
) -> None:
    failures = iter([ValueError("a bug"), TransientError("later")])

    async def handle(connection: Connection, event: Incoming) -> None:
        await effects.handle(connection, event)
        for failure in failures:
            raise failure

    async with running(make_consumer(handle).run):
        await publisher.publish(a_request("shop.example"))
        await until(lambda: effects.are("shop.example"), "the effect of the third try")


async def test_handlers_run_concurrently_up_to_their_limit(
    make_consumer: MakeConsumer, publisher: Publisher, effects: Effects
) -> None:
    at_work, most = 0, 0
    go_on = asyncio.Event()

    async def handle(connection: Connection, event: Incoming) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await go_on.wait()
        at_work -= 1
        await effects.handle(connection, event)

    async def three_at_work() -> bool:
        return at_work == 3

    names = [f"{number}.example" for number in range(20)]
    async with running(make_consumer(handle, handlers=3).run):
        for name in names:
            await publisher.publish(a_request(name))
        await until(three_at_work, "three handlers at work")
        go_on.set()
        await until(lambda: effects.are(*names), "all effects")

    assert most == 3


async def test_a_stop_finishes_started_messages_and_returns_the_others(
    make_consumer: MakeConsumer, publisher: Publisher, effects: Effects
) -> None:
    begun = asyncio.Event()

    async def slowly(connection: Connection, event: Incoming) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        await effects.handle(connection, event)

    names = [f"{number}.example" for number in range(10)]
    async with running(make_consumer(slowly, handlers=2).run) as stop:
        for name in names:
            await publisher.publish(a_request(name))
        await begun.wait()
        stop.set()
    assert len(await effects.domains()) == 2

    async with running(make_consumer().run):
        await until(lambda: effects.are(*names), "all effects, once each")


# Crashing ------------------------------------------------------------------------------------------------------------


async def test_a_stop_with_many_messages_waiting_returns_each_once(
    make_consumer: MakeConsumer, publisher: Publisher, effects: Effects, channel: aiormq.Channel
) -> None:
    await asyncio.gather(*(publisher.publish(a_request(f"{number}.example")) for number in range(200)))

    async with running(make_consumer().run):
        await until(effects.any, "the first effect")

    counts = []
    while (message := await channel.basic_get("provisioner.domain.created")).delivery_tag is not None:
        counts.append((message.header.properties.headers or {}).get("x-delivery-count"))
    kept = await channel.queue_declare("provisioner.dead_letters", passive=True)
    assert counts, "all were handled before the stop"
    assert set(counts) <= {None, 0, 1}
    assert len(await effects.domains()) + len(counts) == 200
    assert kept.message_count == 0


async def test_a_handler_that_always_fails_is_given_up_and_the_others_go_on(
    make_consumer: MakeConsumer, publisher: Publisher, operator_pool: Pool, effects: Effects
) -> None:
    tries = 0

    async def handle(connection: Connection, event: Incoming) -> None:
        nonlocal tries
        assert isinstance(event.data, DomainCreated)
        if event.data.domain == "bad.example":
            tries += 1
            raise PermanentError("a bug")
        await effects.handle(connection, event)

    event = a_request("bad.example")
    async with running(make_consumer(handle).run):
        await publisher.publish(event)
        await publisher.publish(a_request("good.example"))
        await until(lambda: effects.are("good.example"), "the good one's effect")
        (letter,) = await until_letters(operator_pool, 1)

    assert tries == 6
    assert (letter.reason_code, letter.queue) == ("not_handled", "provisioner.domain.created")
    assert (letter.exchange, letter.routing_key, letter.event_id) == ("certsmith.public", "domain.created", event.id)


async def test_a_handler_that_takes_too_long_is_given_up(
    make_consumer: MakeConsumer, publisher: Publisher, operator_pool: Pool
) -> None:
    async def hang(_connection: Connection, _event: Incoming) -> None:
        await asyncio.Event().wait()

    async with running(make_consumer(hang, handler_seconds=0.05).run):
        await publisher.publish(a_request())
        (letter,) = await until_letters(operator_pool, 1)

    assert letter.reason_code == "not_handled"


# Waiting -------------------------------------------------------------------------------------------------------------


async def test_the_consumer_waits_for_a_missing_queue(
    effects: Effects, make_consumer: MakeConsumer, channel: aiormq.Channel
) -> None:
    await channel.queue_delete("provisioner.domain.created")
    consumer = make_consumer()

    async def waits() -> bool:
        return "certsmith migrate" in (consumer.trouble or "")

    async with running(consumer.run):
        await until(waits, "the consumer to say what is missing")
        await channel.queue_declare("provisioner.domain.created", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.queue_bind("provisioner.domain.created", "certsmith.public", "domain.created")
        await say(channel, b'{"domain": "shop.example"}')
        await until(lambda: effects.are("shop.example"), "the effect")
        assert consumer.trouble is None


async def test_a_queue_deleted_under_the_consumer_is_noticed(
    make_consumer: MakeConsumer, channel: aiormq.Channel
) -> None:
    consumer = make_consumer()

    async def consumes() -> bool:
        return consumer.trouble is None

    async def waits() -> bool:
        return "certsmith migrate" in (consumer.trouble or "")

    async with running(consumer.run):
        await until(consumes, "the consumer to consume")
        await channel.queue_delete("provisioner.domain.created")
        await until(waits, "the consumer to say what is missing")
