"""Uploads of all processes that wait for their verdict, for the metrics."""

from dataclasses import dataclass
from typing import Final

from shared.store import Connection

_SELECT: Final = """
SELECT count(*) AS uploads, coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 AS age_seconds
FROM validator.uploads WHERE state = 'received'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadBacklog:
    """How many uploads wait, and for how long the oldest has; 0 when none waits."""

    uploads: int
    age_seconds: float


async def read_backlog(connection: Connection) -> UploadBacklog:
    """Return what waits now."""
    row = await connection.fetchrow(_SELECT)
    assert row is not None  # an aggregate returns a row
    return UploadBacklog(**row)
