"""How many events of a service wait to be sent, for its metrics."""

from dataclasses import dataclass
from typing import Final

from shared.store import Connection

_SELECT: Final = """
SELECT count(*) AS events, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS age_seconds
FROM messaging.outbox WHERE service = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxBacklog:
    """How many events wait, and for how long the oldest has; 0 when none waits."""

    events: int
    age_seconds: float


async def read_backlog(connection: Connection, service: str) -> OutboxBacklog:
    """Return the number and age of the events that wait in the outbox of *service*."""
    row = await connection.fetchrow(_SELECT, service)
    assert row is not None  # an aggregate returns a row
    return OutboxBacklog(**row)
