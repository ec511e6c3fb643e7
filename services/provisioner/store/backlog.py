"""What waits: unfinished orders, and events that are not relayed yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.registry.order_states import sql_unfinished
from shared.store import Connection

_ORDERS: Final = f"""
SELECT state, count(*) AS orders, max(extract(epoch FROM now() - next_attempt_at))::float8 AS overdue_seconds
FROM provisioner.orders
WHERE {sql_unfinished()}
GROUP BY state
"""  # noqa: S608 - constants only
_OUTBOX: Final = """
SELECT count(*) AS events, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS age_seconds
FROM messaging.outbox WHERE service = 'provisioner'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits: orders by state, for how long the longest due one has been due, and the outbox."""

    unfinished: Mapping[str, int]
    overdue_seconds: float
    outbox_events: int
    outbox_age_seconds: float


async def read_backlog(connection: Connection) -> Backlog:
    """Return what waits now."""
    orders = await connection.fetch(_ORDERS)
    outbox = await connection.fetchrow(_OUTBOX)
    assert outbox is not None  # an aggregate returns a row
    return Backlog(
        unfinished={row["state"]: row["orders"] for row in orders},
        overdue_seconds=max([0.0, *(row["overdue_seconds"] for row in orders)]),
        outbox_events=outbox["events"],
        outbox_age_seconds=outbox["age_seconds"],
    )
