"""The table of the outbox: events published in the transaction of the change that they report, until they are sent.

`publish` is called inside that transaction. Its notification wakes the relay at commit; PostgreSQL sends one for all
events of a transaction. (Sent by a trigger, it would cut the rate of inserts by a factor of 2.5.) Rows of one *key* are
sent in the order of their ids, so the publisher of an event about a row must hold that row's lock.
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
    WITH published AS (
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
    """One row: an event that has not been sent."""

    id: int
    key: str
    attributes: dict[str, object]
    data: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatistics:
    """The number of a service's unsent events, and when the oldest was published."""

    service: str
    waiting: int
    oldest_at: datetime


def channel_of(service: str) -> str:
    """Return the notification channel that wakes *service*'s relay."""
    return f"certsmith_outbox_{service}"


async def publish(connection: Connection, *, service: str, event: Event, key: str | None = None) -> None:
    """Publish *event* of *service* when the transaction of *connection* commits; events of one *key* stay in order.

    Raises:
        PermanentError: the event is larger than what consumers accept.
    """
    data = event.payload
    size = len(json.dumps(data))
    if size > MAX_BODY_BYTES:  # fails here, for its publisher, instead of blocking the relay
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
    """Delete *service*'s events with these *ids*, which were sent and confirmed."""
    await connection.execute(_DELETE, service, list(ids))


async def statistics(connection: Connection) -> tuple[OutboxStatistics, ...]:
    """Return the statistics of each service that has unsent events."""
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
