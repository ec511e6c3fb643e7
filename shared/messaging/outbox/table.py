"""The outbox: events that are told in the transaction of the change that they tell of, until the relay has sent them.

`tell` is called inside that transaction. Its notification wakes the relay at commit; PostgreSQL sends one for all the
events of a transaction. (From a trigger it would cost 2.5 times the rate of inserts.) Rows of one *key* are sent in the
order of their ids, so whoever tells of a row has that row locked.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.errors import PermanentError
from shared.events import MAX_BODY_BYTES, Event, JsonObject
from shared.store.connection import Connection, Row

_INSERT: Final = """
    WITH told AS (
        INSERT INTO messaging.outbox
            (service, key, type, event_id, source, subject, time, correlation_id, traceparent, data)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    )
    SELECT pg_notify($11, '')
"""
_PENDING: Final = """
    SELECT id, key, type, event_id, source, subject, time, correlation_id, traceparent, data
    FROM messaging.outbox
    WHERE service = $1 AND id <> ALL ($2::bigint[])
    ORDER BY id
    LIMIT $3
"""
_DELETE: Final = "DELETE FROM messaging.outbox WHERE service = $1 AND id = ANY ($2::bigint[])"
_STATISTICS: Final = """
    SELECT service, count(*) AS waiting, min(created_at) AS oldest_at
    FROM messaging.outbox
    GROUP BY service
    ORDER BY service
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEvent:
    """One row: an event that waits to be sent."""

    id: int
    key: str
    attributes: dict[str, object]
    data: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatistics:
    """How many events of a service wait, and since when the oldest does."""

    service: str
    waiting: int
    oldest_at: datetime


def channel_of(service: str) -> str:
    """Return the notification channel that wakes *service*'s relay."""
    return f"certsmith_outbox_{service}"


async def publish(connection: Connection, *, service: str, event: Event, key: str | None = None) -> None:
    """Have *service* tell *event* once the transaction of *connection* commits, in order with all of the same *key*.

    Raises:
        PermanentError: the event is larger than what consumers accept.
    """
    data = event.payload
    size = len(json.dumps(data))
    if size > MAX_BODY_BYTES:  # fails here, where it was made, and does not block the relay
        raise PermanentError(f"the event {event.type} of {size} bytes is too large: {MAX_BODY_BYTES} are accepted")
    await connection.execute(
        _INSERT,
        service,
        key or event.subject,
        event.type,
        event.id,
        event.source,
        event.subject,
        event.time,
        event.cause.correlation_id,
        event.cause.traceparent,
        data,
        channel_of(service),
    )


async def pending(
    connection: Connection, service: str, *, exclude: Collection[int], limit: int
) -> tuple[PendingEvent, ...]:
    """Return *service*'s oldest events except those whose ids are in *exclude*."""
    rows = await connection.fetch(_PENDING, service, list(exclude), limit)
    return tuple(_pending_event(row) for row in rows)


async def delete(connection: Connection, service: str, ids: Collection[int]) -> None:
    """Delete *service*'s events with these *ids*: they have been sent and confirmed."""
    await connection.execute(_DELETE, service, list(ids))


async def statistics(connection: Connection) -> tuple[OutboxStatistics, ...]:
    """Return what waits, service by service; services with nothing waiting are left out."""
    rows = await connection.fetch(_STATISTICS)
    return tuple(
        OutboxStatistics(service=row["service"], waiting=row["waiting"], oldest_at=row["oldest_at"]) for row in rows
    )


def _pending_event(row: Row) -> PendingEvent:
    attributes = {
        "specversion": "1.0",
        "id": row["event_id"],
        "type": row["type"],
        "source": row["source"],
        "subject": row["subject"],
        "time": row["time"],
        "datacontenttype": "application/json",
        "correlationid": row["correlation_id"],
        "traceparent": row["traceparent"],
    }
    present = {name: value for name, value in attributes.items() if value is not None}
    return PendingEvent(id=row["id"], key=row["key"], attributes=present, data=row["data"])
