"""Counts orders by what they wait for. `shared.messaging` counts unpublished events and dead letters."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.registry.order_states import sql_unfinished
from shared.store.connection import Connection

_ORDERS: Final = f"""
SELECT
    count(*) FILTER (WHERE {sql_unfinished()} AND next_attempt_at <= now()) AS due,
    count(*) FILTER (WHERE lease_until > now()) AS in_hand,
    count(*) FILTER (WHERE {sql_unfinished()} AND next_attempt_at > now() AND lease_until IS NULL) AS waiting,
    count(*) FILTER (WHERE state IN ('failed', 'parked') AND NOT EXISTS (
            SELECT FROM provisioner.orders AS newer
            WHERE newer.domain_id = orders.domain_id AND newer.created_at > orders.created_at
                AND newer.state <> 'cancelled')
        AND EXISTS (SELECT FROM registry.domains WHERE id = orders.domain_id AND deleted_at IS NULL)) AS ended,
    min(next_attempt_at) FILTER (WHERE {sql_unfinished()} AND next_attempt_at <= now()) AS oldest_due_at
FROM provisioner.orders
WHERE state NOT IN ('issued', 'cancelled')
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """Numbers of orders: *due* and not claimed, *in_hand* of a worker, *waiting* for a later time, *ended* in failure.

    A failed order counts as long as its domain is not deleted and has no newer order.
    """

    due: int
    in_hand: int
    waiting: int
    ended: int
    oldest_due_at: datetime | None


async def orders(connection: Connection) -> OrderCounts:
    """Return how many orders are in each of these conditions."""
    row = await connection.fetchrow(_ORDERS)
    assert row is not None  # an aggregate
    return OrderCounts(
        due=row["due"],
        in_hand=row["in_hand"],
        waiting=row["waiting"],
        ended=row["ended"],
        oldest_due_at=row["oldest_due_at"],
    )
