"""Uploaded certificates in use that expire soon, and the warnings about them that were not published yet.

Certificates are found by their end, so that the work grows with those that expire, not with all that exist. One that
expired longer ago than the longest threshold is left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.identifiers import CertificateId
from shared.names import Name
from shared.store import Connection, Row

THRESHOLDS: Final = (30, 14, 7, 3, 1, 0)  # days before the certificate expires

# `due`: the nearest threshold that has passed. A certificate that terminate_tls names is served whatever is attached.
_USES: Final = """
WITH ending AS (
    SELECT id, not_after,
        (SELECT min(days) FROM unnest($1::smallint[]) AS days WHERE not_after <= now() + days * interval '1 day') AS due
    FROM registry.certificates
    WHERE source = 'uploaded' AND not_after > now() - (SELECT max(days) FROM unnest($1) AS days) * interval '1 day'
        AND not_after <= now() + (SELECT max(days) FROM unnest($1) AS days) * interval '1 day'
), uses AS (
    SELECT ending.id AS certificate_id, ending.not_after, ending.due, domain.id AS domain_id, domain.name,
        domain.policy, domain.automatic_certificate_id, false AS is_named
    FROM ending JOIN registry.domains AS domain ON domain.attached_certificate_id = ending.id
    WHERE domain.deleted_at IS NULL AND domain.holds_name
        AND domain.terminate_tls ->> 'server_certificate_id' IS NULL
    UNION ALL
    SELECT ending.id, ending.not_after, ending.due, domain.id, domain.name,
        domain.policy, domain.automatic_certificate_id, true
    FROM ending JOIN registry.domains AS domain
        ON domain.terminate_tls IS NOT NULL AND domain.terminate_tls ->> 'server_certificate_id' = ending.id
    WHERE domain.deleted_at IS NULL AND domain.holds_name
)
"""
NOTE_DUE: Final = f"""{_USES}, noted AS (
    INSERT INTO validator.expiry_notices (certificate_id, domain_id, days)
    SELECT certificate_id, domain_id, due FROM uses
    WHERE NOT EXISTS (
        SELECT FROM validator.expiry_notices AS earlier
        WHERE earlier.certificate_id = uses.certificate_id AND earlier.domain_id = uses.domain_id
            AND earlier.days <= uses.due)
    ORDER BY not_after, domain_id
    LIMIT $2
    ON CONFLICT DO NOTHING
    RETURNING certificate_id, domain_id, days
)
SELECT uses.certificate_id, uses.name AS domain, uses.not_after, noted.days, uses.is_named,
    uses.not_after <= now() AS has_ended,
    uses.policy IS NOT NULL OR coalesce(automatic.not_after > uses.not_after, false) AS has_successor
FROM noted JOIN uses USING (certificate_id, domain_id)
LEFT JOIN registry.certificates AS automatic ON automatic.id = uses.automatic_certificate_id
ORDER BY uses.not_after, uses.name
"""  # noqa: S608 - constants only
_COUNT: Final = f"""{_USES}
SELECT days, (SELECT count(DISTINCT certificate_id) FROM uses WHERE due <= days AND (due = 0) = (days = 0)) AS ending
FROM unnest($1::smallint[]) AS days
"""  # noqa: S608 - constants only
_SOONEST: Final = """
SELECT extract(epoch FROM not_after - now())::float8 FROM registry.certificates AS certificate
WHERE source = 'uploaded' AND not_after > now() AND EXISTS (
    SELECT FROM registry.domains AS domain
    WHERE domain.deleted_at IS NULL AND domain.holds_name AND (
        domain.attached_certificate_id = certificate.id
        OR (domain.terminate_tls IS NOT NULL AND domain.terminate_tls ->> 'server_certificate_id' = certificate.id)))
ORDER BY not_after LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A warning: *domain* serves a certificate that expires within *days*; 0 means that it has expired."""

    domain: Name
    certificate_id: CertificateId
    not_after: datetime
    days: int
    has_ended: bool
    is_named: bool  # in the domain's terminate_tls, so no other certificate takes its place
    has_successor: bool  # an automatic certificate that lasts longer, or a policy that obtains one


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryMetrics:
    """How many certificates in use expire within each threshold, or (0) have expired, and when the next one does."""

    within_days: Mapping[int, int]
    soonest_seconds: float  # infinite: none is in use


async def note_due(connection: Connection, *, limit: int) -> tuple[Notice, ...]:
    """Note up to *limit* warnings that are due, each once, and return them to be published."""
    rows = await connection.fetch(NOTE_DUE, THRESHOLDS, limit)
    return tuple(_notice(row) for row in rows)


async def count(connection: Connection) -> ExpiryMetrics:
    """Return how many certificates in use expire soon."""
    rows = await connection.fetch(_COUNT, THRESHOLDS)
    soonest: float | None = await connection.fetchval(_SOONEST)
    return ExpiryMetrics(
        within_days={row["days"]: row["ending"] for row in rows},
        soonest_seconds=math.inf if soonest is None else soonest,
    )


def _notice(row: Row) -> Notice:
    return Notice(**row)
