"""Which uploaded certificates in use end soon, and of which ends nobody was told yet.

Certificates are found by their end, so that the work grows with what ends, not with what exists. One that ended longer
ago than the longest threshold is looked at no more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.identifiers import CertificateId
from shared.names import Name
from shared.store import Connection, Row

THRESHOLDS: Final = (30, 14, 7, 3, 1, 0)  # days before the end

# `due`: the nearest threshold that has passed. A certificate that terminate_tls names is shown whatever is attached.
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
        SELECT FROM validator.expiry_notices AS told
        WHERE told.certificate_id = uses.certificate_id AND told.domain_id = uses.domain_id AND told.days <= uses.due)
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
_FIGURES: Final = f"""{_USES}
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
    """That *domain* shows a certificate that ends within *days*; 0: it has ended."""

    domain: Name
    certificate_id: CertificateId
    not_after: datetime
    days: int
    has_ended: bool
    is_named: bool  # in the domain's terminate_tls, so nothing takes its place
    has_successor: bool  # an automatic certificate that lasts longer, or a policy that obtains one


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many certificates in use end within each threshold, or (0) have ended, and when the next one does."""

    within_days: Mapping[int, int]
    soonest_seconds: float  # infinite: none is in use


async def note_due(connection: Connection, *, limit: int) -> tuple[Notice, ...]:
    """Note up to *limit* ends that are due to be told, and return those that nobody noted before."""
    rows = await connection.fetch(NOTE_DUE, THRESHOLDS, limit)
    return tuple(_notice(row) for row in rows)


async def figures(connection: Connection) -> Figures:
    """Return how many certificates in use end soon."""
    rows = await connection.fetch(_FIGURES, THRESHOLDS)
    soonest: float | None = await connection.fetchval(_SOONEST)
    return Figures(
        within_days={row["days"]: row["ending"] for row in rows},
        soonest_seconds=math.inf if soonest is None else soonest,
    )


def _notice(row: Row) -> Notice:
    return Notice(**row)
