"""Reads whether a published request was handled or refused."""

from dataclasses import dataclass
from typing import Final

from shared.store.connection import Connection

_FATE: Final = """
SELECT EXISTS (
        SELECT FROM messaging.inbox WHERE consumer = $1 AND user_id = $2 AND source = $3 AND event_id = $4
    ) AS was_seen,
    letter.reason_code, letter.reason
FROM (VALUES (true)) AS always (yes)
LEFT JOIN LATERAL (
    SELECT reason_code, reason FROM messaging.dead_letters
    WHERE event_id = $4 AND source = $3 AND replayed_at IS NULL
    ORDER BY id DESC
    LIMIT 1
) AS letter ON true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """*was_seen*: its consumer has handled or refused the event; *reason_code* and *reason* say why it was refused."""

    was_seen: bool
    reason_code: str | None
    reason: str | None

    @property
    def was_refused(self) -> bool:
        """Whether the event is among the dead letters."""
        return self.reason_code is not None


async def of_event(connection: Connection, *, consumer: str, user_id: str, source: str, event_id: str) -> Fate:
    """Return the fate of the event that the broker's user *user_id* published for *consumer*."""
    row = await connection.fetchrow(_FATE, consumer, user_id, source, event_id)
    assert row is not None  # the query always returns a row
    return Fate(was_seen=row["was_seen"], reason_code=row["reason_code"], reason=row["reason"])
