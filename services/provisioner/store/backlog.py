"""Unfinished orders of all processes, for the metrics."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBacklog:
    """Unfinished orders by state, and how long ago the oldest due one became due; 0 if none is due."""

    unfinished: Mapping[str, int]
    overdue_seconds: float


async def read_backlog(connection: Connection) -> OrderBacklog:
    """Return the unfinished orders now."""
    rows = await connection.fetch(_ORDERS)
    return OrderBacklog(
        unfinished={row["state"]: row["orders"] for row in rows},
        overdue_seconds=max([0.0, *(row["overdue_seconds"] for row in rows)]),
    )
