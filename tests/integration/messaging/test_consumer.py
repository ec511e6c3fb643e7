"""What consuming promises, on a real broker and a real database."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiormq
import pytest
import pytest_asyncio
from pamqp.commands import Basic

from shared.errors import PermanentError, Reason, RefusedError, TransientError
from shared.events import MAX_BODY_BYTES, DomainCreated, DomainRejected, Incoming
from shared.messaging.consumer import Consumer
from shared.messaging.publisher import Publisher
from shared.messaging.settling import Handle, Subscription
from shared.store import Connection, Pool, dead_letters
from shared.store.dead_letters import DeadLetter
from tests.integration.messaging.support import Effects, a_request, running, until

MakeConsumer = Callable[..., Consumer]
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk7oMEQ\n-----END EC PRIVATE KEY-----\n"


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


async def say(channel: aiormq.Channel, body: bytes, *, key: str = "domain.created", **properties: Any) -> None:
    await channel.basic_publish(
        body, exchange="certsmith.public", routing_key=key, properties=Basic.Properties(delivery_mode=2, **properties)
    )


async def letters(operator_pool: Pool) -> list[DeadLetter]:
    async with operator_pool.acquire() as connection:
        return [stored.letter for stored in await dead_letters.list_newest(connection)]


async def until_letters(operator_pool: Pool, count: int) -> list[DeadLetter]:
    async def there() -> bool:
        return len(await letters(operator_pool)) == count

    await until(there, f"{count} dead letters")
    return await letters(operator_pool)


async def told(pool: Pool) -> list[dict[str, Any]]:
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT type, data FROM messaging.outbox ORDER BY id")
    return [{"type": row["type"], **row["data"]} for row in rows]


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


async def test_handlers_work_side_by_side_but_not_without_bound(
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


async def test_a_stop_finishes_what_is_in_hand_and_gives_the_rest_back(
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


# Refusing ------------------------------------------------------------------------------------------------------------


async def test_what_a_handler_refuses_becomes_a_dead_letter_and_a_fact_together(
    make_consumer: MakeConsumer, publisher: Publisher, pool: Pool, operator_pool: Pool, effects: Effects
) -> None:
    async def refuse(connection: Connection, event: Incoming) -> None:
        await effects.handle(connection, event)
        fact = DomainRejected(event_id=event.id or "", domain="shop.example", reasons=())
        raise RefusedError(Reason("public_suffix", "it is a public suffix"), Reason("b", "and more"), fact=fact)

    event = a_request("shop.example")
    async with running(make_consumer(refuse).run):
        for _ in range(3):
            await publisher.publish(event)
        (letter,) = await until_letters(operator_pool, 1)

    assert (letter.reason_code, letter.reason) == ("public_suffix", "it is a public suffix; and more")
    assert (letter.queue, letter.event_id, letter.source) == ("provisioner.domain.created", event.id, "platform")
    assert json.loads(letter.body) == {"domain": "shop.example"}
    assert [fact["type"] for fact in await told(pool)] == ["domain.rejected"]
    assert await effects.domains() == []


@pytest.mark.parametrize(
    ("body", "properties", "code"),
    [
        (b"{", {}, "malformed_json"),
        (b"{}", {}, "missing_field"),
        (b'{"domain": 7}', {}, "invalid_field"),
        (b"x" * 1024 * 1024, {}, "too_large"),
        (b"{}", {"content_encoding": "gzip"}, "content_encoding"),
        (b"{}", {"headers": {"ce-type": "domain.deleted", "ce-id": "1"}}, "malformed_event"),
        (b'{"domain": "\\u0000\\ud800"}', {"message_id": "\x00", "headers": {"\x00": "\x00"}}, "malformed_json"),
    ],
)
async def test_bad_messages_become_dead_letters_and_the_next_is_handled(
    make_consumer: MakeConsumer,
    channel: aiormq.Channel,
    operator_pool: Pool,
    effects: Effects,
    body: bytes,
    properties: dict[str, Any],
    code: str,
) -> None:
    async with running(make_consumer().run):
        await say(channel, body, **properties)
        await say(channel, b'{"domain": "good.example"}')
        await until(lambda: effects.are("good.example"), "the good one's effect")
        (letter,) = await until_letters(operator_pool, 1)

    assert letter.reason_code == code
    assert letter.is_whole == (len(body) <= MAX_BODY_BYTES)


async def test_a_message_by_carbon_copy_is_refused_in_the_other_queue(
    make_consumer: MakeConsumer, channel: aiormq.Channel, operator_pool: Pool, effects: Effects
) -> None:
    async with running(make_consumer().run):
        await say(channel, b'{"domain": "a.example"}', key="domain.deleted", headers={"CC": ["domain.created"]})
        (letter,) = await until_letters(operator_pool, 1)

    assert letter.reason_code == "type_mismatch"
    assert await effects.domains() == []


async def test_what_nobody_takes_becomes_a_dead_letter(
    make_consumer: MakeConsumer, channel: aiormq.Channel, operator_pool: Pool
) -> None:
    async with running(make_consumer().run):
        await say(channel, b'{"domain": "a.example"}', key="domain.creatd")
        (letter,) = await until_letters(operator_pool, 1)

    assert (letter.reason_code, letter.queue) == ("unroutable", "certsmith.unroutable")
    assert (letter.exchange, letter.routing_key) == ("certsmith.public", "domain.creatd")
    assert "there is no type `domain.creatd`" in letter.reason


async def test_a_private_key_in_the_clear_is_answered_and_not_kept(
    make_consumer: MakeConsumer,
    channel: aiormq.Channel,
    pool: Pool,
    operator_pool: Pool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running(make_consumer().run):
        for key in ("domain.created", "no.such.type"):
            await say(channel, json.dumps({"domain": "shop.example", "metadata": PEM}).encode(), key=key)
        kept = await until_letters(operator_pool, 2)

    assert {letter.reason_code for letter in kept} == {"key_in_the_clear"}
    (fact,) = await told(pool)
    assert (fact["domain"], fact["reasons"][0]["code"]) == ("shop.example", "key_in_the_clear")
    assert "MHcC" not in repr(kept) + repr(fact) + "".join(capsys.readouterr())


# Crashing ------------------------------------------------------------------------------------------------------------


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


async def test_a_queue_that_is_missing_is_waited_for(
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
