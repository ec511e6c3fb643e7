"""What waits: uploads to be judged, and events that are not relayed yet."""

from dataclasses import dataclass
from typing import Final

from shared.store import Connection

_WAITING: Final = """
SELECT count(*) AS uploads, coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 AS age_seconds
FROM validator.uploads WHERE state = 'received'
"""
_OUTBOX: Final = """
SELECT count(*) AS events, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS age_seconds
FROM messaging.outbox WHERE service = 'validator'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many uploads and events of the outbox wait, and for how long the oldest has."""

    uploads: int
    oldest_upload_seconds: float
    outbox_events: int
    outbox_age_seconds: float


async def read_backlog(connection: Connection) -> Backlog:
    """Return what waits now."""
    waiting = await connection.fetchrow(_WAITING)
    outbox = await connection.fetchrow(_OUTBOX)
    assert waiting is not None  # an aggregate returns a row
    assert outbox is not None
    return Backlog(
        uploads=waiting["uploads"],
        oldest_upload_seconds=waiting["age_seconds"],
        outbox_events=outbox["events"],
        outbox_age_seconds=outbox["age_seconds"],
    )
