"""Orders in PostgreSQL. Every transition is one UPDATE, guarded by state and lease.

All functions run inside the caller's transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from services.provisioner.rules.challenges import ChallengeAnswer
from services.provisioner.rules.orders import Order, Trouble
from services.provisioner.store.claims import CHANNEL
from shared.errors import LostLeaseError
from shared.identifiers import CertificateId, DomainId
from shared.registry.order_states import sql_finished, sql_unfinished
from shared.store import Connection

# One statement for every transition: the row, and the challenge answers, which exist only as long as the CA's order.
# A retry that was asked while a worker had the order makes it due as soon as the worker releases it, with its checks
# counted from zero; until then `checks` is left alone (0004_order_states.sql says why).
_SAVE: Final = f"""
WITH saved AS (
UPDATE provisioner.orders SET
    state = $4, account_id = $5, attempt = $6, key_id = $8, csr = $9, order_url = $10,
    finalize_url = $11, authorization_urls = $12, order_expires_at = $13, failing_since = $14,
    error_code = $15, message = $16, problem = $17, certificate_id = $18, updated_at = now(),
    checks = CASE WHEN {sql_finished("$4")} OR NOT retry_asked THEN $7 WHEN $20 THEN checks ELSE 0 END,
    next_attempt_at = CASE WHEN $20 OR NOT retry_asked THEN now() + $19 ELSE now() END,
    retry_asked = retry_asked AND $20,
    lease_until = CASE WHEN $20 THEN now() + $19 END,
    lease_holder = CASE WHEN $20 THEN lease_holder END,
    finished_at = CASE WHEN {sql_finished("$4")} THEN now() END, profile = $21
WHERE id = $1 AND lease_token = $2 AND state = $3 AND lease_until > now()
RETURNING id, next_attempt_at
), answered AS (
INSERT INTO registry.challenges (order_id, name, kind, token, answer, expires_at)
SELECT saved.id, given.name, given.kind, given.token, given.answer, given.expires_at
FROM saved CROSS JOIN unnest($22::text[], $23::text[], $24::text[], $25::text[], $26::timestamptz[])
    AS given (name, kind, token, answer, expires_at)
ON CONFLICT (name, kind, order_id, token) DO UPDATE SET answer = excluded.answer, expires_at = excluded.expires_at
), unanswered AS (
DELETE FROM registry.challenges USING saved
WHERE order_id = saved.id AND ($10::text IS NULL OR {sql_finished("$4")})
)
SELECT next_attempt_at FROM saved
"""  # noqa: S608 - constants only


async def keep(
    connection: Connection,
    before: Order,
    after: Order,
    *,
    lease: timedelta,
    answers: Sequence[ChallengeAnswer] = (),
) -> None:
    """Write *after* over *before*, extend the lease, and publish *answers*, which terminators give from now on.

    Raises:
        LostLeaseError: the order was cancelled, or its lease expired; nothing was written.
    """
    await _save(connection, before, after, wait=lease, kept=True, answers=answers)


async def release(
    connection: Connection,
    before: Order,
    after: Order,
    *,
    wait: timedelta,
    trouble: Trouble | None = None,
    certificate_id: CertificateId | None = None,
) -> datetime:
    """Write *after* over *before*, give up the lease, and return when the order is due again.

    That is *wait* from now, or now if a retry was asked meanwhile.

    Raises:
        LostLeaseError: the order was cancelled, or its lease expired; nothing was written.
    """
    return await _save(connection, before, after, wait=wait, kept=False, trouble=trouble, certificate_id=certificate_id)


async def _save(
    connection: Connection,
    before: Order,
    after: Order,
    *,
    wait: timedelta,
    kept: bool,
    trouble: Trouble | None = None,
    certificate_id: CertificateId | None = None,
    answers: Sequence[ChallengeAnswer] = (),
) -> datetime:
    due: datetime | None = await connection.fetchval(
        _SAVE,
        before.id,
        before.lease_token,
        before.state,
        *_columns(after),
        *_trouble(trouble),
        certificate_id,
        wait,
        kept,
        after.profile,
        [each.name for each in answers],
        [each.kind for each in answers],
        [each.token for each in answers],
        [each.answer for each in answers],
        [each.expires_at for each in answers],
    )
    if due is None:
        raise LostLeaseError(f"order {before.id} was cancelled, or its lease to this worker expired")
    return due


def _columns(after: Order) -> tuple[object, ...]:
    """Return the parameters 4 to 14 of `_SAVE`."""
    return (
        after.state,
        after.account_id,
        after.attempt,
        after.checks,
        after.key_id,
        after.csr,
        after.order_url,
        after.finalize_url,
        after.authorization_urls,
        after.order_expires_at,
        after.failing_since,
    )


def _trouble(trouble: Trouble | None) -> tuple[object, ...]:
    """Return the parameters 15 to 17 of `_SAVE`."""
    if trouble is None:
        return None, None, None
    problem = None if trouble.problem is None else dict(trouble.problem.document)
    return trouble.error_code, trouble.message, problem


_OPEN: Final = """
WITH opened AS (
    INSERT INTO provisioner.orders
        (id, domain_id, tenant, names, key_type, profile, ca, reason, state, correlation_id, traceparent)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10)
    ON CONFLICT DO NOTHING RETURNING id
)
SELECT pg_notify($11, '') FROM opened
"""


async def open_order(connection: Connection, order: Order, *, reason: str) -> bool:
    """Store *order*, due now, and wake the workers; return False if the same need has an unfinished order already."""
    opened = await connection.fetchrow(
        _OPEN,
        order.id,
        order.domain_id,
        order.tenant,
        order.names,
        order.key_type,
        order.profile,
        order.ca,
        reason,
        order.cause.correlation_id,
        order.cause.traceparent,
        CHANNEL,
    )
    return opened is not None


async def known_urls(connection: Connection, urls: Sequence[str]) -> frozenset[str]:
    """Return those of *urls*, orders at a CA, that have a row already."""
    rows = await connection.fetch(
        "SELECT order_url FROM provisioner.orders WHERE order_url = ANY ($1::text[])", list(urls)
    )
    return frozenset(row["order_url"] for row in rows)


async def hand_back(connection: Connection, order: Order, *, wait: timedelta) -> None:
    """Give up the lease in any state; the order is due after *wait*. Without the lease nothing happens."""
    await connection.execute(
        "UPDATE provisioner.orders SET lease_until = NULL, lease_holder = NULL, next_attempt_at = now() + $3 "
        "WHERE id = $1 AND lease_token = $2 AND lease_until IS NOT NULL",
        order.id,
        order.lease_token,
        wait,
    )


_RETRY: Final = f"""
WITH woken AS (
    UPDATE provisioner.orders
    SET next_attempt_at = CASE WHEN lease_until > now() THEN next_attempt_at ELSE now() END,
        checks = CASE WHEN lease_until > now() THEN checks ELSE 0 END,
        retry_asked = coalesce(lease_until > now(), false)
    WHERE domain_id = $1 AND {sql_unfinished()} RETURNING id
)
SELECT pg_notify($2, '') FROM woken
"""  # noqa: S608 - constants only
_CANCEL: Final = f"""
UPDATE provisioner.orders SET state = 'cancelled', cancelled_at = now(), updated_at = now()
WHERE domain_id = $1 AND {sql_unfinished()} AND key_type IS DISTINCT FROM $2 RETURNING id
"""  # noqa: S608 - constants only


async def retry_now(connection: Connection, domain_id: DomainId) -> bool:
    """Make the domain's waiting order due now; return False if it has none.

    A worker that has the order continues, and the order is then due again at once instead of waiting: the worker may
    not have seen the change for which the retry was requested.
    """
    return await connection.fetchrow(_RETRY, domain_id, CHANNEL) is not None


async def cancel_orders(connection: Connection, domain_id: DomainId, *, except_key_type: str | None = None) -> None:
    """Cancel the domain's unfinished orders, except those for *except_key_type*, and delete their challenge answers."""
    rows = await connection.fetch(_CANCEL, domain_id, except_key_type)
    await connection.execute(
        "DELETE FROM registry.challenges WHERE order_id = ANY ($1::text[])", [row["id"] for row in rows]
    )
