"""A refused message becomes a dead letter and, if its subject is known, a fact; the consumer continues."""

import json
from typing import Any

import aiormq
import pytest

from shared.errors import Reason, RefusedError
from shared.events import MAX_BODY_BYTES, DomainRejected, Incoming
from shared.messaging.publisher import Publisher
from shared.store import Connection, Pool
from tests.rig.messaging.support import Effects, MakeConsumer, a_request, running, say, until, until_letters

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk7oMEQ\n-----END EC PRIVATE KEY-----\n"


async def published_facts(pool: Pool) -> list[dict[str, Any]]:
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT type, data FROM messaging.outbox ORDER BY id")
    return [{"type": row["type"], **row["data"]} for row in rows]


async def test_a_refused_request_becomes_a_dead_letter_and_a_fact_together(
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
    assert [fact["type"] for fact in await published_facts(pool)] == ["domain.rejected"]
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


async def test_a_copy_that_a_cc_header_routes_to_another_queue_is_refused(
    make_consumer: MakeConsumer, channel: aiormq.Channel, operator_pool: Pool, effects: Effects
) -> None:
    async with running(make_consumer().run):
        await say(channel, b'{"domain": "a.example"}', key="domain.deleted", headers={"CC": ["domain.created"]})
        (letter,) = await until_letters(operator_pool, 1)

    assert letter.reason_code == "type_mismatch"
    assert await effects.domains() == []


async def test_an_unroutable_message_becomes_a_dead_letter(
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
    (fact,) = await published_facts(pool)
    assert (fact["domain"], fact["reasons"][0]["code"]) == ("shop.example", "key_in_the_clear")
    assert "MHcC" not in repr(kept) + repr(fact) + "".join(capsys.readouterr())
