"""Settling one message in the database: its effect or a dead letter, in one transaction with its inbox row."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import structlog

from shared import logs
from shared.errors import RefusedError
from shared.events import Cause, Data, Event, Incoming
from shared.messaging import dead_letters, inbox, outbox
from shared.messaging.broker.names import source_of
from shared.messaging.codec.attributes import Attributes, claimed
from shared.messaging.codec.cloudevents import decode
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.inbox.undelivered import answer_to, refused_letter, undelivered_letter
from shared.messaging.message import Message
from shared.store import Connection, Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Handle = Callable[[Connection, Incoming], Awaitable[None]]
"""Acts on an event inside the given transaction; returns to commit, raises `RefusedError` to refuse the event.

It is idempotent by state: an event without an id has no inbox row.
"""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The handler of a type of event."""

    type: str
    handle: Handle


class Outcome(StrEnum):
    """How a message was settled."""

    DONE = "done"
    SEEN_BEFORE = "seen_before"
    REFUSED = "refused"
    GIVEN_BACK = "given_back"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Settles messages for *service*; each handler has *seconds*."""

    pool: Pool
    service: str
    seconds: float

    async def settle(self, message: Message, *, queue: str, subscription: Subscription) -> Outcome:
        """Act on *message* once, and return when that is committed.

        Raises:
            TransientError: nothing was done, or the outcome is unknown; trying again may help.
            Exception: the handler raised it; nothing was done.
        """
        try:
            event = decode(message, expected=subscription.type, received_at=datetime.now(UTC))
        except RefusedError as refusal:
            return await self._refuse(message, refusal, queue=queue, attributes=claimed(message))
        attributes = Attributes(id=event.id, source=event.source, correlation_id=event.cause.correlation_id)
        with logs.handling(event):
            try:
                return await self._act(event, subscription.handle)
            except RefusedError as refusal:
                return await self._refuse(message, refusal, queue=queue, attributes=attributes)

    async def _act(self, event: Incoming, handle: Handle) -> Outcome:
        # The deadline is around the transaction: inside it, a slow handler would look like a slow database.
        async with asyncio.timeout(self.seconds), self.pool.transaction() as connection:
            if not await self._enter(connection, event.id, user_id=event.user_id, source=event.source):
                log.info("event_seen_before")
                return Outcome.SEEN_BEFORE
            await handle(connection, event)
        return Outcome.DONE

    async def _refuse(self, message: Message, refusal: RefusedError, *, queue: str, attributes: Attributes) -> Outcome:
        letter = refused_letter(
            message, service=self.service, queue=queue, reasons=refusal.reasons, attributes=attributes
        )
        async with self.pool.transaction() as connection:
            if not await self._enter(
                connection, letter.event_id, user_id=letter.user_id or "", source=letter.source or ""
            ):
                return Outcome.SEEN_BEFORE
            await dead_letters.add(connection, letter)
            if refusal.fact is not None:
                await self._publish(connection, refusal.fact, letter)
        log.warning(
            "message_refused",
            queue=queue,
            codes=[reason.code for reason in refusal.reasons],
            reason=letter.reason,
            refused_event_id=letter.event_id,
        )
        return Outcome.REFUSED

    async def _enter(self, connection: Connection, event_id: str | None, *, user_id: str, source: str) -> bool:
        if event_id is None:
            return True
        return await inbox.enter(connection, consumer=self.service, user_id=user_id, source=source, event_id=event_id)

    async def _publish(self, connection: Connection, fact: Data, letter: DeadLetter) -> None:
        event = Event(data=fact, source=source_of(self.service), cause=Cause(letter.correlation_id or letter.event_id))
        await outbox.publish(connection, service=self.service, event=event)

    async def keep(self, message: Message, *, queue: str) -> Outcome:
        """Move *message*, which the broker gave up, to the dead letters; for an upload, publish its rejection once.

        Raises:
            TransientError: it was not moved, or the outcome is unknown; trying again may help.
        """
        letter = undelivered_letter(message, service=self.service, queue=queue, attributes=claimed(message))
        answer = answer_to(letter, message)
        async with self.pool.transaction() as connection:
            if answer is not None:
                if not await self._enter(
                    connection, letter.event_id, user_id=letter.user_id or "", source=letter.source or ""
                ):
                    return Outcome.SEEN_BEFORE
                await self._publish(connection, answer, letter)
            await dead_letters.add(connection, letter)
        log.warning("dead_letter_kept", queue=letter.queue, reason=letter.reason, refused_event_id=letter.event_id)
        return Outcome.REFUSED
