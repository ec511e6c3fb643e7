"""Listing dead letters, and publishing them again."""

import json
from collections.abc import Callable

import aiormq
import pytest
from pamqp.commands import Basic

from certsmith.actions.replay import replay
from shared.errors import PermanentError, Reason, RefusedError
from shared.events import DomainCreated, Incoming
from shared.messaging import dead_letters
from shared.messaging.dead_letters import DeadLetter, StoredDeadLetter
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Handle, Subscription
from shared.messaging.publisher import Publisher
from shared.store import Connection, Pool
from tests.rig.messaging.support import Effects, a_request, running, until

MakeConsumer = Callable[[Handle], Consumer]


@pytest.fixture
def make_consumer(bus: str, pool: Pool) -> MakeConsumer:
    """Return what makes a consumer of the provisioner's."""

    def make(handle: Handle) -> Consumer:
        return Consumer(bus, pool, service="provisioner", subscriptions=[Subscription(DomainCreated.type, handle)])

    return make


async def refuse(_connection: Connection, _event: Incoming) -> None:
    raise RefusedError(Reason("not_yet", "not yet"))


async def listed(operator_pool: Pool, *, replayed_too: bool = False) -> tuple[StoredDeadLetter, ...]:
    async with operator_pool.acquire() as connection:
        return await dead_letters.list_newest(connection, replayed_too=replayed_too)


async def until_one(operator_pool: Pool) -> StoredDeadLetter:
    async def there() -> bool:
        return len(await listed(operator_pool)) == 1

    await until(there, "one dead letter")
    (stored,) = await listed(operator_pool)
    return stored


async def test_a_replayed_dead_letter_is_acted_on(
    make_consumer: MakeConsumer, publisher: Publisher, operator_pool: Pool, effects: Effects
) -> None:
    async with running(make_consumer(refuse).run):
        await publisher.publish(a_request("shop.example"))
        stored = await until_one(operator_pool)

    async with running(make_consumer(effects.handle).run):
        await replay(operator_pool, publisher, stored.id)
        await until(lambda: effects.are("shop.example"), "the effect")

    assert await listed(operator_pool) == ()
    (replayed,) = await listed(operator_pool, replayed_too=True)
    assert replayed.replayed_at is not None
    assert replayed.letter == stored.letter


async def test_a_replayed_dead_letter_that_is_refused_again_becomes_a_new_one(
    make_consumer: MakeConsumer, publisher: Publisher, operator_pool: Pool
) -> None:
    async with running(make_consumer(refuse).run):
        await publisher.publish(a_request("shop.example"))
        first = await until_one(operator_pool)
        for _ in range(2):
            await replay(operator_pool, publisher, (await until_one(operator_pool)).id)
        last = await until_one(operator_pool)

    assert last.id > first.id
    assert last.letter.event_id == first.letter.event_id
    assert len(await listed(operator_pool, replayed_too=True)) == 3


async def test_a_message_that_the_broker_gave_up_can_be_replayed(
    make_consumer: MakeConsumer, bus: str, publisher: Publisher, operator_pool: Pool, effects: Effects
) -> None:
    async def crash(_connection: Connection, _event: Incoming) -> None:
        raise ValueError("a bug")

    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "any", "ce-type": "domain.created"}
    async with running(make_consumer(crash).run), aiormq.Connection(bus) as connection:
        channel = await connection.channel()
        await channel.basic_publish(
            json.dumps({"domain": "shop.example"}).encode(),
            exchange="certsmith.public",
            routing_key="domain.created",
            properties=Basic.Properties(headers=headers, content_type="application/json"),  # type: ignore[arg-type]  # a dict of texts is a table
        )
        stored = await until_one(operator_pool)

    async with running(make_consumer(effects.handle).run):
        await replay(operator_pool, publisher, stored.id)
        await until(lambda: effects.are("shop.example"), "the effect")


async def test_listing_dead_letters_changes_nothing(
    make_consumer: MakeConsumer, publisher: Publisher, operator_pool: Pool
) -> None:
    async with running(make_consumer(refuse).run):
        await publisher.publish(a_request("shop.example"))
        stored = await until_one(operator_pool)

    async with operator_pool.acquire() as connection:
        found = [await dead_letters.find(connection, stored.id) for _ in range(20)]
        counts = await dead_letters.count_waiting(connection)

    assert found == [stored] * 20
    assert counts == {"provisioner": 1}


async def test_a_dead_letter_can_be_deleted(
    make_consumer: MakeConsumer, publisher: Publisher, operator_pool: Pool
) -> None:
    async with running(make_consumer(refuse).run):
        await publisher.publish(a_request("shop.example"))
        stored = await until_one(operator_pool)

    async with operator_pool.transaction() as connection:
        assert await dead_letters.drop(connection, stored.id)
        assert not await dead_letters.drop(connection, stored.id)

    assert await listed(operator_pool) == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"is_whole": False}, "was not kept whole"),
        ({"routing_key": "domain.creatd"}, "which is not a request"),
        ({"exchange": "certsmith.events", "routing_key": "certificate.ready"}, "which is not a request"),
    ],
)
async def test_the_error_says_why_a_dead_letter_cannot_be_replayed(
    pool: Pool, operator_pool: Pool, publisher: Publisher, changes: dict[str, object], sentence: str
) -> None:
    fields: dict[str, object] = {
        "service": "provisioner",
        "queue": "provisioner.domain.created",
        "exchange": "certsmith.public",
        "routing_key": "domain.created",
        "reason_code": "x",
        "reason": "y",
    }
    async with pool.transaction() as connection:
        await dead_letters.add(connection, DeadLetter(**{**fields, **changes}))  # type: ignore[arg-type]  # texts and a boolean
    stored = await until_one(operator_pool)

    with pytest.raises(PermanentError, match=sentence):
        await replay(operator_pool, publisher, stored.id)


async def test_the_error_names_a_dead_letter_that_does_not_exist(operator_pool: Pool, publisher: Publisher) -> None:
    with pytest.raises(PermanentError, match="there is no dead letter 7"):
        await replay(operator_pool, publisher, 7)
