"""The CA's limits, as token buckets in PostgreSQL that all workers share.

A bucket holds up to *capacity* tokens and gains `capacity / period` a second. A token that was taken is not given back
when the work fails afterwards, as at the CA. A refusal by the CA itself (429 with Retry-After) closes the bucket until
then.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from services.provisioner.rules.budgets import Limit
from shared.errors import TransientError
from shared.store import Connection


class BudgetExhaustedError(TransientError):
    """The CA's limit is reached; the next token is available after *wait*."""

    def __init__(self, limit: Limit, wait: timedelta) -> None:
        super().__init__(f"the CA's limit of {limit.capacity} {limit.scope} for {limit.subject} is reached")
        self.limit = limit
        self.wait = wait


_DRAW: Final = """
INSERT INTO provisioner.budgets AS b (ca, scope, subject, tokens) VALUES ($1, $2, $3, $4::float8 - 1)
ON CONFLICT (ca, scope, subject) DO UPDATE SET
    updated_at = now(),
    tokens = least($4, b.tokens + $5::float8 * extract(epoch FROM greatest(now() - b.updated_at, interval '0'))::float8)
        - 1
RETURNING tokens, greatest(blocked_until - now(), interval '0') AS blocked
"""


async def take(connection: Connection, limits: Sequence[Limit]) -> None:
    """Take a token for each of *limits*.

    The rows are locked in one order, so that two workers cannot deadlock.

    Raises:
        BudgetExhaustedError: a bucket is empty; the caller's transaction must be rolled back.
    """
    for limit in sorted(limits, key=lambda each: (each.scope, each.subject)):
        wait = await _draw(connection, limit)
        if wait > timedelta():
            raise BudgetExhaustedError(limit, wait)


async def close(connection: Connection, limit: Limit, *, for_: timedelta) -> None:
    """Close the bucket *for_* a time, because the CA said so."""
    # The number of tokens stays as it is. A bucket that was never drawn from is full, whatever its capacity.
    await connection.execute(
        "INSERT INTO provisioner.budgets AS b (ca, scope, subject, tokens, blocked_until) "
        "VALUES ($1, $2, $3, 'infinity', now() + $4) "
        "ON CONFLICT (ca, scope, subject) DO UPDATE "
        "SET blocked_until = greatest(b.blocked_until, excluded.blocked_until)",
        limit.ca,
        limit.scope,
        limit.subject,
        for_,
    )


async def _draw(connection: Connection, limit: Limit) -> timedelta:
    """Fill the bucket up to now and take a token, into debt if need be; return the time until the debt is paid."""
    per_second = limit.capacity / limit.period.total_seconds()
    row = await connection.fetchrow(_DRAW, limit.ca, limit.scope, limit.subject, float(limit.capacity), per_second)
    assert row is not None  # an upsert returns its row
    missing = max(0.0, -row["tokens"])
    return max(timedelta(seconds=missing / per_second), row["blocked"] or timedelta())
