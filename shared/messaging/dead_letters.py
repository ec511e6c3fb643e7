"""The dead letters: messages that were refused or could not be handled, kept for people to inspect.

They are in a table and no longer on the broker, so reading them changes nothing.
"""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from shared.events import JsonObject
from shared.store.connection import Connection, Row

_INSERT: Final = """
    INSERT INTO messaging.dead_letters
        (service, queue, exchange, routing_key, reason_code, reason, type, event_id, source,
        user_id, correlation_id, message_id, content_type, headers, body, is_whole)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_SELECT: Final = """
    SELECT id, service, queue, exchange, routing_key, reason_code, reason, type, event_id, source,
        user_id, correlation_id, message_id, content_type, headers, body, is_whole, received_at, replayed_at
    FROM messaging.dead_letters
"""
_ONE: Final = f"{_SELECT} WHERE id = $1"
_LIST: Final = f"""{_SELECT}
    WHERE ($1::text IS NULL OR service = $1) AND ($2 OR replayed_at IS NULL) AND ($3::bigint IS NULL OR id < $3)
    ORDER BY id DESC
    LIMIT $4
"""
_COUNT: Final = (
    "SELECT service, count(*) AS waiting FROM messaging.dead_letters WHERE replayed_at IS NULL GROUP BY service"
)
_REPLAYED: Final = "UPDATE messaging.dead_letters SET replayed_at = now() WHERE id = $1"
_DROP: Final = "DELETE FROM messaging.dead_letters WHERE id = $1 RETURNING true"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message with the reason why it was not handled.

    *service* should have handled it and *queue* held it; it was published to *exchange* with *routing_key*.
    *is_whole* is False if the body, or a part of it, was not kept: then it cannot be replayed.
    """

    service: str
    queue: str
    exchange: str
    routing_key: str
    reason_code: str
    reason: str
    type: str | None = None
    event_id: str | None = None
    source: str | None = None
    user_id: str | None = None
    correlation_id: str | None = None
    message_id: str | None = None
    content_type: str | None = None
    headers: JsonObject = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDeadLetter:
    """A dead letter in the table."""

    id: int
    letter: DeadLetter
    received_at: datetime
    replayed_at: datetime | None


_COLUMNS: Final = tuple(each.name for each in fields(DeadLetter))  # the order of _INSERT


async def add(connection: Connection, letter: DeadLetter) -> None:
    """Store *letter*. Roles that may add dead letters may not read them, so its id is not returned."""
    values = [getattr(letter, name) for name in _COLUMNS]
    await connection.execute(_INSERT, *values)


async def list_newest(
    connection: Connection,
    *,
    service: str | None = None,
    replayed_too: bool = False,
    before: int | None = None,
    limit: int = 100,
) -> tuple[StoredDeadLetter, ...]:
    """Return the newest dead letters, of *service* or of all, with ids below *before* where that is given."""
    rows = await connection.fetch(_LIST, service, replayed_too, before, limit)
    return tuple(_stored(row) for row in rows)


async def find(connection: Connection, letter_id: int) -> StoredDeadLetter | None:
    """Return the dead letter *letter_id*, None when there is none."""
    row = await connection.fetchrow(_ONE, letter_id)
    return None if row is None else _stored(row)


async def count_waiting(connection: Connection) -> dict[str, int]:
    """Return the number of dead letters of each service that were not replayed."""
    rows = await connection.fetch(_COUNT)
    return {row["service"]: row["waiting"] for row in rows}


async def mark_replayed(connection: Connection, letter_id: int) -> None:
    """Record that the dead letter *letter_id* was published again."""
    await connection.execute(_REPLAYED, letter_id)


async def drop(connection: Connection, letter_id: int) -> bool:
    """Delete the dead letter *letter_id*; return False if there is none."""
    return bool(await connection.fetchval(_DROP, letter_id))


def _stored(row: Row) -> StoredDeadLetter:
    letter = DeadLetter(**{name: row[name] for name in _COLUMNS})
    return StoredDeadLetter(id=row["id"], letter=letter, received_at=row["received_at"], replayed_at=row["replayed_at"])
