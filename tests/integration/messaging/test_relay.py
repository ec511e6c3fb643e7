"""Relaying the outbox, on a real broker and a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiormq
import pytest
from aiormq.abc import DeliveredMessage

from shared.errors import BrokerUnavailableError, PermanentError
from shared.events import CertificateFailed, CertificateRejected, DomainChanged, Event, EventReason
from shared.messaging import outbox
from shared.messaging.message import Message
from shared.messaging.outbox.dispatch import Sender
from shared.messaging.outbox.relay import LEASE_SECONDS, Relay
from shared.messaging.publisher import Publisher
from shared.store import Pool
from tests.rig.messaging.support import running, until


def a_fact(domain: str, version: int) -> Event:
    return Event(data=DomainChanged(domain=domain, version=version, deleted=False), source="certsmith/provisioner")


async def publish_all(pool: Pool, *events: Event) -> None:
    async with pool.transaction() as connection:
        for event in events:
            await outbox.publish(connection, service="provisioner", event=event)


async def is_empty(pool: Pool) -> bool:
    async with pool.acquire() as connection:
        return await outbox.statistics(connection) == ()


class Heard:
    """The messages received from the exchange of facts: types, keys, versions."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.subjects: list[str] = []
        self.bodies: list[bytes] = []

    async def on_message(self, message: DeliveredMessage) -> None:
        """Record the message."""
        headers = message.header.properties.headers or {}
        self.ids.append(str(headers["ce-id"]))
        self.subjects.append(str(headers["ce-subject"]))
        self.bodies.append(message.body)

    async def has(self, *events: Event) -> bool:
        """Return whether each of *events* was received."""
        return {event.id for event in events} <= set(self.ids)


@asynccontextmanager
async def hearing(bus: str) -> AsyncIterator[Heard]:
    async with aiormq.Connection(bus) as connection:
        channel = await connection.channel()
        declared = await channel.queue_declare(exclusive=True)
        assert declared.queue is not None
        await channel.queue_bind(declared.queue, "certsmith.events", "#")
        heard = Heard()
        await channel.basic_consume(declared.queue, heard.on_message, no_ack=True)
        yield heard


class Gate:
    """A sender that sends only while its gate is open, so that tests can act in between."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.open = asyncio.Event()
        self.waiting: list[str] = []
        self.failures: list[Exception] = []
        self.given_up: list[str] = []

    async def send(self, message: Message, *, seconds: float) -> None:
        """Wait for the gate, then fail or send."""
        subject = str(message.headers["ce-subject"])
        self.waiting.append(subject)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.given_up.append(subject)
            raise
        if self.failures:
            raise self.failures.pop()
        await self._sender.send(message, seconds=seconds)


async def test_a_published_event_is_sent_and_deleted(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    event = a_fact("a.example", 1)

    async with hearing(bus) as heard, running(Relay(database_url, pool, publisher, service="provisioner").run):
        await publish_all(pool, event)
        await until(lambda: heard.has(event), "the fact")
        await until(lambda: is_empty(pool), "the outbox to be empty")

    assert heard.ids == [event.id]


async def test_an_event_that_was_rolled_back_is_not_sent(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    first, last = a_fact("a.example", 1), a_fact("b.example", 1)

    async with hearing(bus) as heard, running(Relay(database_url, pool, publisher, service="provisioner").run):
        with suppress(ZeroDivisionError):
            async with pool.transaction() as connection:
                await outbox.publish(connection, service="provisioner", event=first)
                raise ZeroDivisionError
        await publish_all(pool, last)
        await until(lambda: heard.has(last), "the last fact")

    assert heard.ids == [last.id]


async def test_facts_of_one_key_are_sent_in_order(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    events = [a_fact(f"{number % 7}.example", number) for number in range(700)]
    await publish_all(pool, *events)

    async with hearing(bus) as heard, running(Relay(database_url, pool, publisher, service="provisioner").run):
        await until(lambda: heard.has(*events), "all facts")

    for key in {event.subject for event in events}:
        published = [event.id for event in events if event.subject == key]
        assert [event_id for event_id in heard.ids if event_id in set(published)] == published


async def test_a_key_that_cannot_be_sent_delays_no_other_key(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    gate = Gate(publisher)
    events = [a_fact("a.example", 1), a_fact("a.example", 2), a_fact("b.example", 1)]

    async def both_keys_wait() -> bool:
        return sorted(gate.waiting) == ["a.example", "b.example"]

    async with hearing(bus) as heard, running(Relay(database_url, pool, gate, service="provisioner").run):
        await publish_all(pool, *events)
        await until(both_keys_wait, "one fact of each key to be on its way")
        gate.failures = [BrokerUnavailableError("later")]
        gate.open.set()
        await until(lambda: heard.has(*events), "all facts")

    assert [event_id for event_id in heard.ids if event_id != events[2].id] == [events[0].id, events[1].id]


async def test_one_relay_sends_at_a_time_and_the_next_takes_over(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    first, second = (Gate(publisher) for _ in range(2))
    event, other = a_fact("a.example", 1), a_fact("b.example", 1)

    async def sends(gate: Gate) -> bool:
        return bool(gate.waiting)

    async with hearing(bus) as heard:
        async with running(Relay(database_url, pool, first, service="provisioner").run):
            await publish_all(pool, event)
            await until(lambda: sends(first), "the first relay to lead")
            async with running(Relay(database_url, pool, second, service="provisioner").run):
                first.open.set()
                await until(lambda: is_empty(pool), "the outbox to be empty")
                assert second.waiting == []
        second.open.set()
        async with running(Relay(database_url, pool, second, service="provisioner").run):
            await publish_all(pool, other)
            await until(lambda: heard.has(other), "the fact that the second sends")

    assert heard.ids == [event.id, other.id]


async def test_a_relay_that_is_cancelled_lets_the_next_one_lead_at_once(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    gate, event, loop = Gate(publisher), a_fact("a.example", 1), asyncio.get_running_loop()
    first = asyncio.create_task(Relay(database_url, pool, gate, service="provisioner").run(asyncio.Event()))
    await publish_all(pool, event)

    async def is_sending() -> bool:
        return bool(gate.waiting)

    await until(is_sending, "the first relay to lead")
    first.cancel()
    await asyncio.wait([first])
    cancelled_at = loop.time()

    async with hearing(bus) as heard, running(Relay(database_url, pool, publisher, service="provisioner").run):
        await until(lambda: heard.has(event), "the fact")

    assert loop.time() - cancelled_at < LEASE_SECONDS / 2


async def test_a_relay_that_lost_its_lease_sends_nothing_more(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    gate = Gate(publisher)

    async def waits() -> bool:
        return bool(gate.waiting)

    async def gave_up() -> bool:
        return gate.given_up == ["a.example"]

    async with hearing(bus) as heard, running(Relay(database_url, pool, gate, service="provisioner").run):
        await publish_all(pool, a_fact("a.example", 1))
        await until(waits, "a fact to be on its way")
        async with pool.transaction() as connection:
            await connection.execute("UPDATE messaging.leases SET token = token + 1, holder = 'other'")
        await until(gave_up, "the relay to notice")
        gate.open.set()
        assert heard.ids == []

    assert not await is_empty(pool)


async def test_a_stop_sends_the_events_in_hand(bus: str, pool: Pool, database_url: str, publisher: Publisher) -> None:
    gate = Gate(publisher)
    event = a_fact("a.example", 1)

    async def waits() -> bool:
        return bool(gate.waiting)

    async with hearing(bus) as heard:
        async with running(Relay(database_url, pool, gate, service="provisioner").run) as stop:
            await publish_all(pool, event)
            await until(waits, "the fact to be on its way")
            stop.set()
            gate.open.set()
        await until(lambda: heard.has(event), "the fact")

    assert await is_empty(pool)


async def test_an_event_published_just_before_a_stop_is_sent(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    first, last = a_fact("a.example", 1), a_fact("b.example", 1)

    async with hearing(bus) as heard:
        async with running(Relay(database_url, pool, publisher, service="provisioner").run) as stop:
            await publish_all(pool, first)
            await until(lambda: heard.has(first), "the relay to lead")
            await publish_all(pool, last)
            stop.set()
        await until(lambda: heard.has(last), "the last fact")

    assert await is_empty(pool)


async def test_a_service_sends_only_its_own_events(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    event = a_fact("a.example", 1)
    await publish_all(pool, event)

    others = Relay(database_url, pool, publisher, service="validator")
    own = Relay(database_url, pool, publisher, service="provisioner")
    async with hearing(bus) as heard, running(others.run), running(own.run):
        await until(lambda: heard.has(event), "the fact")

    assert heard.ids == [event.id]


async def test_an_event_that_is_too_large_fails_when_it_is_published(pool: Pool) -> None:
    reason = EventReason(code="x", message="y" * 600_000)
    event = Event(data=CertificateRejected(certificate_id="cert_1", reasons=(reason,)), source="certsmith/provisioner")

    with pytest.raises(PermanentError, match="too large"):
        await publish_all(pool, event)


async def test_an_event_that_cannot_be_sent_stays_and_stops_no_other(
    bus: str, pool: Pool, database_url: str, publisher: Publisher
) -> None:
    gate = Gate(publisher)
    gate.failures = [ValueError("a bug")]
    gate.open.set()
    bad = Event(
        data=CertificateFailed(domain="bad.example", error_code="x", message="y", attempt=1, retries_at=None),
        source="certsmith/provisioner",
    )
    good = a_fact("good.example", 1)
    relay = Relay(database_url, pool, gate, service="provisioner")

    async def bad_was_tried() -> bool:
        return "bad.example" in gate.waiting

    async with hearing(bus) as heard, running(relay.run):
        await publish_all(pool, bad)
        await until(bad_was_tried, "the bad one to be tried")
        await publish_all(pool, good)
        await until(lambda: heard.has(good), "the good one")
        assert "cannot be sent" in (relay.trouble or "")

    assert not await is_empty(pool)
