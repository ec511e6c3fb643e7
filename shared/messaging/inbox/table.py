"""The inbox: which events a consumer has acted on, so that a second copy changes nothing.

An event is identified by its publisher's user, its source and its id together; ids of different publishers can collide.
"""

from datetime import timedelta
from typing import Final

from shared.store.connection import Connection

_ENTER: Final = """
    INSERT INTO messaging.inbox (consumer, user_id, source, event_id)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING
    RETURNING true
"""
_FORGET: Final = "DELETE FROM messaging.inbox WHERE consumer = $1 AND source = $2 AND event_id = $3"
_PRUNE: Final = """
    WITH old AS (
        SELECT consumer, user_id, source, event_id FROM messaging.inbox
        WHERE consumer = $1 AND received_at < now() - $2::interval
        ORDER BY received_at
        LIMIT $3
    ), pruned AS (
        DELETE FROM messaging.inbox USING old
        WHERE inbox.consumer = old.consumer AND inbox.user_id = old.user_id
            AND inbox.source = old.source AND inbox.event_id = old.event_id
        RETURNING true
    )
    SELECT count(*) FROM pruned
"""


async def enter(connection: Connection, *, consumer: str, user_id: str, source: str, event_id: str) -> bool:
    """Record that *consumer* acts on the event in this transaction; return False if it has done so before.

    If another transaction is acting on the same event, this waits for it to end.
    """
    return bool(await connection.fetchval(_ENTER, consumer, user_id, source, event_id))


async def forget(connection: Connection, *, consumer: str, source: str, event_id: str) -> None:
    """Let *consumer* act on the event again, from any publisher."""
    await connection.execute(_FORGET, consumer, source, event_id)


async def prune(connection: Connection, *, consumer: str, older_than: timedelta, limit: int) -> int:
    """Delete at most *limit* of *consumer*'s entries that are older than *older_than*; return how many."""
    return int(await connection.fetchval(_PRUNE, consumer, older_than, limit))
