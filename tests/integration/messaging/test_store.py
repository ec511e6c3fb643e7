"""The SQL of the messaging schema, with each role's own rights."""

from contextlib import suppress
from datetime import timedelta

import asyncpg

from shared.events import DomainChanged, Event
from shared.messaging import dead_letters, inbox, outbox
from shared.messaging.dead_letters import DeadLetter
from shared.store import Pool, leases


def a_letter(**changes: str) -> DeadLetter:
    fields = {
        "service": "provisioner",
        "queue": "provisioner.domain.created",
        "exchange": "certsmith.public",
        "routing_key": "domain.created",
        "reason_code": "x",
        "reason": "y",
    }
    return DeadLetter(**{**fields, **changes})  # type: ignore[arg-type]  # texts


# Inbox ---------------------------------------------------------------------------------------------------------------


async def enter(pool: Pool, event_id: str, *, user_id: str = "", source: str = "s") -> bool:
    async with pool.transaction() as connection:
        return await inbox.enter(connection, consumer="provisioner", user_id=user_id, source=source, event_id=event_id)


async def test_an_event_is_entered_once(pool: Pool) -> None:
    assert [await enter(pool, "1"), await enter(pool, "1")] == [True, False]


async def test_an_event_is_identified_by_publisher_source_and_id_together(pool: Pool) -> None:
    entered = [await enter(pool, "1"), await enter(pool, "1", user_id="u"), await enter(pool, "1", source="t")]

    assert entered == [True, True, True]


async def test_an_entry_that_was_rolled_back_is_gone(pool: Pool) -> None:
    with suppress(ZeroDivisionError):
        async with pool.transaction() as connection:
            await inbox.enter(connection, consumer="provisioner", user_id="", source="s", event_id="1")
            raise ZeroDivisionError

    assert await enter(pool, "1")


async def test_old_entries_are_pruned_in_batches(pool: Pool, database_url: str) -> None:
    for number in range(5):
        await enter(pool, f"old-{number}")
    administrator = await asyncpg.connect(database_url)
    await administrator.execute("UPDATE messaging.inbox SET received_at = now() - interval '15 days'")
    await administrator.close()
    await enter(pool, "new")

    async with pool.acquire() as connection:
        pruned = [
            await inbox.prune(connection, consumer="provisioner", older_than=timedelta(days=14), limit=3)
            for _ in range(3)
        ]

    assert pruned == [3, 2, 0]
    assert not await enter(pool, "new")
    assert await enter(pool, "old-0")


# Leases --------------------------------------------------------------------------------------------------------------


async def acquire(pool: Pool, holder: str, *, seconds: float = 60) -> int | None:
    async with pool.acquire() as connection:
        return await leases.acquire(
            connection, name="relay.provisioner", service="provisioner", holder=holder, seconds=seconds
        )


async def test_a_lease_has_one_holder_at_a_time(pool: Pool) -> None:
    assert [await acquire(pool, "a"), await acquire(pool, "b")] == [1, None]


async def test_each_new_holder_has_a_higher_token(pool: Pool) -> None:
    first = await acquire(pool, "a", seconds=-1)

    second = await acquire(pool, "b")

    assert (first, second) == (1, 2)
    async with pool.acquire() as connection:
        assert not await leases.renew(connection, name="relay.provisioner", token=1, seconds=60)
        assert await leases.renew(connection, name="relay.provisioner", token=2, seconds=60)


async def test_a_released_lease_can_be_acquired_at_once(pool: Pool) -> None:
    token = await acquire(pool, "a")
    assert token is not None

    async with pool.acquire() as connection:
        await leases.release(connection, name="relay.provisioner", token=token)

    assert await acquire(pool, "b") == token + 1


async def test_an_old_holder_cannot_release_the_lease_of_a_new_one(pool: Pool) -> None:
    await acquire(pool, "a", seconds=-1)
    await acquire(pool, "b")

    async with pool.acquire() as connection:
        await leases.release(connection, name="relay.provisioner", token=1)

    assert await acquire(pool, "c") is None


# Outbox --------------------------------------------------------------------------------------------------------------


async def publish(pool: Pool, domain: str) -> None:
    event = Event(data=DomainChanged(domain=domain, version=1, deleted=False), source="certsmith/provisioner")
    async with pool.transaction() as connection:
        await outbox.publish(connection, service="provisioner", event=event)


async def test_unsent_events_are_counted(pool: Pool, operator_pool: Pool) -> None:
    await publish(pool, "a.example")
    await publish(pool, "b.example")

    async with operator_pool.acquire() as connection:
        (found,) = await outbox.statistics(connection)

    assert (found.service, found.waiting) == ("provisioner", 2)


async def test_the_oldest_events_are_read_first_except_those_in_hand(pool: Pool) -> None:
    for name in ("a", "b", "c", "d"):
        await publish(pool, f"{name}.example")

    async with pool.acquire() as connection:
        first = await outbox.pending(connection, "provisioner", exclude=(), limit=2)
        rest = await outbox.pending(connection, "provisioner", exclude=[event.id for event in first], limit=5)
        await outbox.delete(connection, "provisioner", [event.id for event in first])
        left = await outbox.pending(connection, "provisioner", exclude=(), limit=5)

    assert [event.key for event in first] == ["a.example", "b.example"]
    assert [event.key for event in rest] == ["c.example", "d.example"]
    assert left == rest


# Dead letters --------------------------------------------------------------------------------------------------------


async def test_dead_letters_are_listed_newest_first_and_in_pages(pool: Pool, operator_pool: Pool) -> None:
    async with pool.transaction() as connection:
        for number in range(5):
            await dead_letters.add(connection, a_letter(reason=str(number)))

    async with operator_pool.acquire() as connection:
        first = await dead_letters.list_newest(connection, limit=3)
        second = await dead_letters.list_newest(connection, limit=3, before=first[-1].id)
        others = await dead_letters.list_newest(connection, service="validator")
        counts = await dead_letters.count_waiting(connection)

    assert [stored.letter.reason for stored in (*first, *second)] == ["4", "3", "2", "1", "0"]
    assert (others, counts) == ((), {"provisioner": 5})


async def test_a_dead_letter_is_stored_unchanged(pool: Pool, operator_pool: Pool) -> None:
    letter = DeadLetter(
        service="provisioner",
        queue="certsmith.unroutable",
        exchange="certsmith.public",
        routing_key="x",
        reason_code="unroutable",
        reason="no queue accepts it",
        type="x",
        event_id="1",
        source="s",
        user_id="u",
        correlation_id="c",
        message_id="m",
        content_type="application/json",
        headers={"ce-id": "1", "deep": {"list": [1, None, {"$bytes": "AA=="}]}},
        body=b"\x00\xff",
        is_whole=False,
    )

    async with pool.transaction() as connection:
        await dead_letters.add(connection, letter)

    async with operator_pool.acquire() as connection:
        (stored,) = await dead_letters.list_newest(connection)
        assert await dead_letters.find(connection, stored.id) == stored
        assert await dead_letters.find(connection, stored.id + 1) is None
    assert (stored.letter, stored.replayed_at) == (letter, None)
