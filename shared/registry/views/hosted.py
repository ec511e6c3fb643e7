"""Reads domains with their certificates, newest order and deployments.

The first certificate is the one that terminators choose: the one named in `terminate_tls`, else the attached one if it
is valid now, else the automatic one if valid, else the attached one.
"""

from datetime import datetime
from typing import Any, Final

from shared.names import Name
from shared.registry.views.model import CertificateView, DeploymentView, HostedDomain, OrderView
from shared.store.connection import Connection, Row

_SELECT: Final = """
SELECT domain.id, domain.tenant, domain.name, domain.holds_name, domain.upstream,
    domain.policy ->> 'private_key_type' AS key_type, domain.version, domain.requested_at, domain.created_at,
    domain.updated_at, domain.deleted_at,
    candidates.certificates,
    newest.id AS order_id, newest.state, newest.reason, newest.attempt, newest.error_code, newest.message,
    newest.next_attempt_at, newest.is_in_hand, newest.created_at AS order_created_at,
    newest.updated_at AS order_updated_at, newest.finished_at,
    nodes.deployments
FROM registry.domains AS domain
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('id', certificate.id, 'chosen_by', candidate.chosen_by,
        'source', certificate.source, 'names', certificate.names, 'issuer', certificate.issuer,
        'serial_number', certificate.serial_number, 'fingerprint', encode(certificate.fingerprint, 'hex'),
        'key_type', certificate.key_type, 'not_before', certificate.not_before, 'not_after', certificate.not_after,
        'revoked_at', revocation.revoked_at)
        ORDER BY candidate.place > 1,
            now() BETWEEN certificate.not_before AND certificate.not_after AND revocation.revoked_at IS NULL DESC,
            candidate.place) AS certificates
    FROM (VALUES
        (domain.terminate_tls ->> 'server_certificate_id', 'terminate_tls', 1),
        (domain.attached_certificate_id, 'attached', 2),
        (domain.automatic_certificate_id, 'automatic', 3)) AS candidate (id, chosen_by, place)
    JOIN registry.certificates AS certificate ON certificate.id = candidate.id AND certificate.tenant = domain.tenant
    LEFT JOIN registry.revocations AS revocation ON revocation.certificate_id = certificate.id
) AS candidates ON true
LEFT JOIN LATERAL (
    SELECT id, state, reason, attempt, error_code, message, next_attempt_at,
        coalesce(lease_until > now(), false) AS is_in_hand, created_at, updated_at, finished_at
    FROM provisioner.orders
    WHERE domain_id = domain.id AND state <> 'cancelled'
    ORDER BY created_at DESC
    LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('node', node, 'certificate_id', certificate_id, 'version', version,
        'deployed_at', deployed_at, 'latency_seconds', latency_seconds) ORDER BY node) AS deployments
    FROM terminator.deployments
    WHERE deployments.domain = domain.name AND domain.holds_name
) AS nodes ON true
"""
_PAGE: Final = f"""{_SELECT}
WHERE domain.deleted_at IS NULL AND ($1::text IS NULL OR domain.tenant = $1)
    AND ($2::text IS NULL
        OR (domain.name, domain.id) > (SELECT last.name, last.id FROM registry.domains AS last WHERE last.id = $2))
ORDER BY domain.name, domain.id
LIMIT $3
"""  # noqa: S608 - constants only
_NAMED: Final = f"""{_SELECT}
WHERE domain.name = $1 AND ($2::text IS NULL OR domain.tenant = $2)
ORDER BY domain.deleted_at IS NOT NULL, domain.holds_name DESC, domain.created_at, domain.id
"""


async def page(
    connection: Connection, *, tenant: str | None = None, after: str | None = None, limit: int = 100
) -> tuple[HostedDomain, ...]:
    """Return domains that are not deleted, by name: of *tenant* or of all, those after the one with the id *after*."""
    rows = await connection.fetch(_PAGE, tenant, after, limit)
    return tuple(_domain(row) for row in rows)


async def named(connection: Connection, name: Name, *, tenant: str | None = None) -> tuple[HostedDomain, ...]:
    """Return every registration of *name*, of *tenant* or of all: the served one first, deleted ones last."""
    return tuple(_domain(row) for row in await connection.fetch(_NAMED, name, tenant))


def _domain(row: Row) -> HostedDomain:
    certificates = [_certificate(each) for each in row["certificates"] or ()]
    return HostedDomain(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        holds_name=row["holds_name"],
        upstream=row["upstream"],
        key_type=row["key_type"],
        version=row["version"],
        requested_at=row["requested_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
        certificate=certificates[0] if certificates else None,
        other_certificates=tuple(certificates[1:]),
        order=None if row["order_id"] is None else _order(row),
        deployments=tuple(_deployment(each) for each in row["deployments"] or ()),
    )


def _certificate(found: dict[str, Any]) -> CertificateView:
    instants = {
        name: None if found[name] is None else datetime.fromisoformat(found[name])
        for name in ("not_before", "not_after", "revoked_at")
    }
    return CertificateView(**{**found, **instants, "names": tuple(found["names"])})


def _order(row: Row) -> OrderView:
    return OrderView(
        id=row["order_id"],
        state=row["state"],
        reason=row["reason"],
        attempt=row["attempt"],
        error_code=row["error_code"],
        message=row["message"],
        next_attempt_at=row["next_attempt_at"],
        is_in_hand=row["is_in_hand"],
        created_at=row["order_created_at"],
        updated_at=row["order_updated_at"],
        finished_at=row["finished_at"],
    )


def _deployment(found: dict[str, Any]) -> DeploymentView:
    return DeploymentView(**{**found, "deployed_at": datetime.fromisoformat(found["deployed_at"])})
