"""The CA's limits, as token buckets in PostgreSQL that all workers share.

A bucket holds up to *capacity* tokens and gains `capacity / period` a second; a taken token stays taken when the work
fails afterwards, as at the CA. What the CA itself answers (429 with Retry-After) closes the bucket until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.errors import TransientError
from shared.names import registered_domain
from shared.store import Connection

NEW_ORDERS: Final = "new_orders"
REGISTERED_DOMAIN: Final = "registered_domain"


class BudgetExhaustedError(TransientError):
    """The CA's limit is reached; there is a token again after *wait*."""

    def __init__(self, limit: "Limit", wait: timedelta) -> None:
        super().__init__(f"the CA's limit of {limit.capacity} {limit.scope} for {limit.subject} is reached")
        self.limit = limit
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of the CA *ca*: at most *capacity* in *period* for *subject*, such as an account."""

    ca: str
    scope: str
    subject: str
    capacity: int
    period: timedelta


def of_account(ca: str, account_id: str, *, new_orders_per_3_hours: int = 300) -> Limit:
    """Return the limit of new orders for an account."""
    period = timedelta(hours=3)
    return Limit(ca=ca, scope=NEW_ORDERS, subject=account_id, capacity=new_orders_per_3_hours, period=period)


def of_registered_domain(ca: str, name: str, *, certificates_per_week: int = 50) -> Limit:
    """Return the limit of certificates for what somebody registered, `example.com` of `www.example.com`."""
    period, subject = timedelta(days=7), registered_domain(name)
    return Limit(ca=ca, scope=REGISTERED_DOMAIN, subject=subject, capacity=certificates_per_week, period=period)


_DRAW: Final = """
INSERT INTO provisioner.budgets AS b (ca, scope, subject, tokens) VALUES ($1, $2, $3, $4::float8 - 1)
ON CONFLICT (ca, scope, subject) DO UPDATE SET
    updated_at = now(),
    tokens = least($4, b.tokens + $5::float8 * extract(epoch FROM greatest(now() - b.updated_at, interval '0'))::float8)
        - 1
RETURNING tokens, greatest(blocked_until - now(), interval '0') AS blocked
"""


async def take(connection: Connection, limits: Sequence[Limit]) -> None:
    """Take a token for each of *limits*; rows are locked in one order, so no two workers wait for each other.

    Raises:
        BudgetExhaustedError: one has none; the caller's transaction must be rolled back.
    """
    for limit in sorted(limits, key=lambda each: (each.scope, each.subject)):
        wait = await _draw(connection, limit)
        if wait > timedelta():
            raise BudgetExhaustedError(limit, wait)


async def close(connection: Connection, limit: Limit, *, for_: timedelta) -> None:
    """Let nobody take from the bucket for that long, because the CA said so."""
    # How many tokens there are is not its business: one that nobody has drawn from is full, whatever its capacity.
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
    """Fill the bucket up to now and take a token, into debt if need be; return how long until it is out of debt."""
    per_second = limit.capacity / limit.period.total_seconds()
    row = await connection.fetchrow(_DRAW, limit.ca, limit.scope, limit.subject, float(limit.capacity), per_second)
    assert row is not None  # an upsert returns its row
    missing = max(0.0, -row["tokens"])
    return max(timedelta(seconds=missing / per_second), row["blocked"] or timedelta())
