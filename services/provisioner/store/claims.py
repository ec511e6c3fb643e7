"""Claims due orders for a worker, fairly and under a lease.

An order is due when `next_attempt_at` has passed. A claim moves that instant to the end of the lease, so an order whose
worker died is simply due again. `lease_token` grows with each claim and fences the writes of the worker before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from services.provisioner.rules.orders import Order
from shared.events import Cause, OrderState
from shared.identifiers import AccountId, DomainId, KeyId, OrderId
from shared.registry.order_states import sql_unfinished
from shared.store import Pool, Row

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

CHANNEL: Final = "certsmith_orders"
"""A NOTIFY on this channel means that an order may be due."""

_TENANTS_A_CLAIM: Final = 1000
_FEW: Final = 1000

_COLUMNS: Final = (
    "{0}.id, {0}.domain_id, {0}.tenant, {0}.names, {0}.key_type, {0}.profile, {0}.ca, {0}.state, {0}.lease_token, "
    "{0}.account_id, {0}.attempt, {0}.checks, {0}.key_id, {0}.csr, {0}.order_url, {0}.finalize_url, "
    "{0}.authorization_urls, {0}.order_expires_at, {0}.failing_since, {0}.correlation_id, {0}.traceparent, "
    "{0}.created_at"
)

# Claims the orders in `chosen`, and returns them with the one row of `page`, which is there without any order too.
_CLAIM: Final = f"""
, claimed AS (
    UPDATE provisioner.orders AS o
    SET lease_holder = $2, lease_token = o.lease_token + 1, lease_until = now() + $3, next_attempt_at = now() + $3,
        checks = CASE WHEN o.retry_asked THEN 0 ELSE o.checks END, retry_asked = false, updated_at = now()
    FROM chosen WHERE o.id = chosen.id
    RETURNING {_COLUMNS.format("o")}
)
SELECT page.*, {_COLUMNS.format("claimed")} FROM page LEFT JOIN claimed ON true
"""  # noqa: S608 - constants only

# Nearly always few orders are due, however many wait. Then the index of unfinished orders has them all, and they are
# claimed one of each tenant in turn, those that have not failed first. If more than $4 are due, none is claimed.
_CLAIM_OF_FEW: Final = f"""
WITH due AS MATERIALIZED (
    SELECT id, tenant, attempt > 0 AS failed, next_attempt_at FROM provisioner.orders
    WHERE {sql_unfinished()} AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT $4 + 1
), page AS (
    SELECT count(*) <= $4 AS are_few FROM due
), turns AS (
    SELECT id, next_attempt_at, row_number() OVER (PARTITION BY tenant ORDER BY failed, next_attempt_at) AS turn
    FROM due
), chosen AS (
    SELECT o.id FROM provisioner.orders AS o JOIN turns USING (id)
    WHERE (SELECT are_few FROM page) AND o.next_attempt_at <= now()
      AND {sql_unfinished("o.state")}
    ORDER BY turns.turn, turns.next_attempt_at LIMIT $1 FOR UPDATE OF o SKIP LOCKED
){_CLAIM}"""  # noqa: S608 - constants only

# The same when many are due. `tenants` walks an index from tenant to tenant, so a tenant with a million due orders
# costs no more than one with a single one, and delays no other. `page` has the start of the next walk, null at the end.
_CLAIM_BY_TENANT: Final = f"""
WITH RECURSIVE tenants AS (
    (SELECT tenant FROM provisioner.orders
     WHERE {sql_unfinished()} AND ($4::text IS NULL OR tenant > $4)
     ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT o.tenant FROM provisioner.orders AS o
            WHERE {sql_unfinished("o.state")} AND o.tenant > t.tenant
            ORDER BY o.tenant LIMIT 1)
    FROM tenants AS t WHERE t.tenant IS NOT NULL
), visited AS (
    SELECT tenant FROM tenants WHERE tenant IS NOT NULL LIMIT $5
), page AS (
    SELECT CASE WHEN count(*) = $5 THEN max(tenant) END AS last_tenant FROM visited
), due AS (
    SELECT first.id,
        row_number() OVER (PARTITION BY visited.tenant ORDER BY first.failed, first.next_attempt_at) AS turn
    FROM visited CROSS JOIN LATERAL (
        SELECT o.id, o.attempt > 0 AS failed, o.next_attempt_at FROM provisioner.orders AS o
        WHERE {sql_unfinished("o.state")}
          AND o.tenant = visited.tenant AND o.next_attempt_at <= now()
        ORDER BY o.attempt > 0, o.next_attempt_at LIMIT $1
    ) AS first
), chosen AS (
    SELECT o.id FROM provisioner.orders AS o JOIN due USING (id)
    WHERE o.next_attempt_at <= now() AND {sql_unfinished("o.state")}
    ORDER BY due.turn LIMIT $1 FOR UPDATE OF o SKIP LOCKED
){_CLAIM}"""  # noqa: S608 - constants only


@dataclass(slots=True)
class Claims:
    """Claims due orders for one process; if there are very many, each claim begins after the last tenant."""

    pool: Pool
    holder: str
    lease: timedelta
    _after_tenant: str | None = field(default=None, init=False)

    async def claim(self, limit: int) -> tuple[Order, ...]:
        """Return up to *limit* due orders, now leased to the holder; none only if a whole round found none."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(_CLAIM_OF_FEW, limit, self.holder, self.lease, _FEW)
            if rows[0]["are_few"]:
                return _orders(rows)
            while True:
                rows = await connection.fetch(
                    _CLAIM_BY_TENANT, limit, self.holder, self.lease, self._after_tenant, _TENANTS_A_CLAIM
                )
                self._after_tenant = rows[0]["last_tenant"]
                found = _orders(rows)
                if found or self._after_tenant is None:
                    return found


def _orders(rows: Sequence[Row]) -> tuple[Order, ...]:
    return tuple(_order(row) for row in rows if row["id"] is not None)


def _order(row: Row) -> Order:
    return Order(
        id=OrderId(row["id"]),
        domain_id=DomainId(row["domain_id"]),
        tenant=row["tenant"],
        names=tuple(row["names"]),
        key_type=row["key_type"],
        profile=row["profile"],
        ca=row["ca"],
        state=OrderState(row["state"]),
        lease_token=row["lease_token"],
        account_id=row["account_id"] and AccountId(row["account_id"]),
        attempt=row["attempt"],
        checks=row["checks"],
        key_id=row["key_id"] and KeyId(row["key_id"]),
        csr=row["csr"],
        order_url=row["order_url"],
        finalize_url=row["finalize_url"],
        authorization_urls=tuple(row["authorization_urls"]),
        order_expires_at=row["order_expires_at"],
        failing_since=row["failing_since"],
        cause=Cause(row["correlation_id"], row["traceparent"]),
        created_at=row["created_at"],
    )
