"""Claims on uploads: due uploads are claimed under a lease, tenant by tenant.

An upload is due when `next_attempt_at` has passed. Claiming it moves that instant to the end of the lease, so an upload
whose validator died becomes due again. `lease_token` grows with each claim, and fences the writes of earlier claims.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from services.validator.rules.uploads import ClaimedUpload
from shared.errors import LostLeaseError
from shared.events import Cause
from shared.identifiers import CertificateId
from shared.names import Name
from shared.store import Connection, Pool, Row

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

CHANNEL: Final = "certsmith_uploads"
"""NOTIFY on this channel means that an upload may be due."""

# `onward` and `around` walk the index from tenant to tenant, beginning after $4 and ending with it. So a tenant with a
# million uploads costs no more than one with a single upload, and starves no other: each tenant gets one upload claimed
# before any gets its second. Of one tenant, uploads that have not failed come first. `chosen` locks one row after
# another until it has enough.
_TENANTS_A_CLAIM: Final = 1000
_COLUMNS: Final = (
    "{0}.certificate_id, {0}.tenant, {0}.bundle, {0}.sealed, {0}.intake_key_id, {0}.attach, {0}.description, "
    "{0}.metadata, {0}.requested_at, {0}.received_at, {0}.correlation_id, {0}.traceparent, {0}.attempt, {0}.is_slow, "
    "{0}.lease_token"
)
CLAIM: Final = f"""
WITH RECURSIVE onward AS (
    (SELECT tenant FROM validator.uploads WHERE state = 'received' AND tenant > $4 ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT u.tenant FROM validator.uploads AS u WHERE u.state = 'received' AND u.tenant > t.tenant
            ORDER BY u.tenant LIMIT 1)
    FROM onward AS t WHERE t.tenant IS NOT NULL
), around AS (
    (SELECT tenant FROM validator.uploads WHERE state = 'received' AND tenant <= $4 ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT u.tenant FROM validator.uploads AS u
            WHERE u.state = 'received' AND u.tenant > t.tenant AND u.tenant <= $4 ORDER BY u.tenant LIMIT 1)
    FROM around AS t WHERE t.tenant IS NOT NULL
), visited AS (
    SELECT tenant, row_number() OVER () AS place FROM (
        (SELECT tenant FROM onward WHERE tenant IS NOT NULL LIMIT $5)
        UNION ALL
        (SELECT tenant FROM around WHERE tenant IS NOT NULL LIMIT $5)
    ) AS both_ways
), due AS (
    SELECT first.certificate_id, visited.place,
        row_number() OVER (PARTITION BY visited.tenant ORDER BY first.failed, first.next_attempt_at) AS turn
    FROM visited CROSS JOIN LATERAL (
        SELECT u.certificate_id, u.attempt > 0 AS failed, u.next_attempt_at FROM validator.uploads AS u
        WHERE u.state = 'received' AND u.tenant = visited.tenant AND u.next_attempt_at <= now() AND u.is_slow = $6
        ORDER BY u.attempt > 0, u.next_attempt_at LIMIT $1
    ) AS first
), chosen AS (
    SELECT free.certificate_id, ordered.turn, ordered.place
    FROM (SELECT * FROM due ORDER BY turn, place) AS ordered CROSS JOIN LATERAL (
        SELECT u.certificate_id FROM validator.uploads AS u
        WHERE u.certificate_id = ordered.certificate_id AND u.state = 'received' AND u.next_attempt_at <= now()
        FOR UPDATE SKIP LOCKED
    ) AS free LIMIT $1
), claimed AS (
    UPDATE validator.uploads AS u
    SET lease_holder = $2, lease_token = u.lease_token + 1, lease_until = now() + $3, next_attempt_at = now() + $3
    FROM chosen WHERE u.certificate_id = chosen.certificate_id
    RETURNING {_COLUMNS.format("u")}, chosen.turn, chosen.place
)
SELECT {_COLUMNS.format("claimed")} FROM claimed ORDER BY turn, place
"""  # noqa: S608 - constants only
_KEEP: Final = """
UPDATE validator.uploads SET lease_until = now() + $3, next_attempt_at = now() + $3
WHERE certificate_id = $1 AND lease_token = $2 AND state = 'received' AND lease_until > now() RETURNING true
"""
_HAND_BACK: Final = """
UPDATE validator.uploads
SET lease_until = NULL, lease_holder = NULL, next_attempt_at = now() + $3, attempt = attempt + $4,
    is_slow = is_slow OR $5
WHERE certificate_id = $1 AND lease_token = $2 AND state = 'received' AND lease_until IS NOT NULL
"""


@dataclass(slots=True)
class Claims:
    """Claims due uploads for one process, each time beginning with the tenant after the last one."""

    pool: Pool
    holder: str
    lease: timedelta
    _after: dict[bool, str] = field(default_factory=lambda: {False: "", True: ""}, init=False)

    async def claim(self, limit: int, *, slow: bool = False) -> tuple[ClaimedUpload, ...]:
        """Claim up to *limit* due uploads and return them: those known to be *slow*, or the others."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                CLAIM, limit, self.holder, self.lease, self._after[slow], _TENANTS_A_CLAIM, slow
            )
        if rows:
            self._after[slow] = rows[-1]["tenant"]
        return tuple(_claimed(row) for row in rows)


async def keep(connection: Connection, upload: ClaimedUpload, *, lease: timedelta) -> None:
    """Extend the lease on *upload* to *lease* from now.

    Raises:
        LostLeaseError: it has expired.
    """
    if not await connection.fetchval(_KEEP, upload.certificate_id, upload.lease_token, lease):
        raise lost(upload)


async def hand_back(
    connection: Connection, upload: ClaimedUpload, *, wait: timedelta, has_failed: bool = False, is_slow: bool = False
) -> None:
    """Give up the lease on *upload*, and make it due again after *wait*.

    *has_failed* counts one more try that failed by our fault; *is_slow* marks it as slow. Without the lease nothing
    happens.
    """
    await connection.execute(_HAND_BACK, upload.certificate_id, upload.lease_token, wait, int(has_failed), is_slow)


def lost(upload: ClaimedUpload) -> LostLeaseError:
    """Return the error for a lease on *upload* that has expired."""
    return LostLeaseError(f"the lease on upload {upload.certificate_id} has expired; another worker may have it")


def _claimed(row: Row) -> ClaimedUpload:
    return ClaimedUpload(
        certificate_id=CertificateId(row["certificate_id"]),
        tenant=row["tenant"],
        bundle=row["bundle"],
        sealed=row["sealed"],
        intake_key_id=row["intake_key_id"],
        attach=tuple(Name(name) for name in row["attach"]),
        description=row["description"],
        metadata=row["metadata"],
        requested_at=row["requested_at"],
        received_at=row["received_at"],
        cause=Cause(row["correlation_id"], row["traceparent"]),
        attempt=row["attempt"],
        is_slow=row["is_slow"],
        lease_token=row["lease_token"],
    )
