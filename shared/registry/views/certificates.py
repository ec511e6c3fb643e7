"""Reads stored certificates, uploaded and automatic ones, with the domains that use them."""

from typing import Any, Final

from shared.registry.views.model import StoredCertificate, UseView
from shared.store.connection import Connection, Row

_SELECT: Final = """
SELECT certificate.id, certificate.tenant, certificate.source, certificate.names, certificate.issuer,
    certificate.serial_number, encode(certificate.fingerprint, 'hex') AS fingerprint, certificate.key_type,
    certificate.not_before, certificate.not_after, revocation.revoked_at, certificate.publicly_trusted,
    certificate.description, certificate.metadata, certificate.created_at, uses.uses
FROM registry.certificates AS certificate
LEFT JOIN registry.revocations AS revocation ON revocation.certificate_id = certificate.id
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object('domain', name, 'by', by) ORDER BY name, by) AS uses
    FROM (
        SELECT name, 'attached' AS by FROM registry.domains
        WHERE attached_certificate_id = certificate.id AND deleted_at IS NULL
        UNION ALL
        SELECT name, 'automatic' FROM registry.domains
        WHERE automatic_certificate_id = certificate.id AND deleted_at IS NULL
        UNION ALL
        SELECT name, 'terminate_tls' FROM registry.domains
        WHERE terminate_tls IS NOT NULL AND terminate_tls ->> 'server_certificate_id' = certificate.id
            AND deleted_at IS NULL
        UNION ALL
        SELECT name, 'awaited' FROM registry.awaited_attachments WHERE certificate_id = certificate.id
    ) AS every
) AS uses
"""
_NAMED: Final = f"{_SELECT} WHERE certificate.id = $1"
_PAGE: Final = f"""{_SELECT}
WHERE ($1::text IS NULL OR certificate.tenant = $1) AND ($2::text IS NULL OR certificate.source = $2)
    AND (NOT $3 OR uses.uses IS NULL)
    AND ($4::text IS NULL OR (certificate.not_after, certificate.id)
        < (SELECT last.not_after, last.id FROM registry.certificates AS last WHERE last.id = $4))
ORDER BY certificate.not_after DESC, certificate.id DESC
LIMIT $5
"""  # noqa: S608 - constants only


async def named(connection: Connection, certificate_id: str) -> StoredCertificate | None:
    """Return the certificate with this id, if there is one."""
    row = await connection.fetchrow(_NAMED, certificate_id)
    return None if row is None else _certificate(row)


async def page(
    connection: Connection,
    *,
    tenant: str | None = None,
    source: str | None = None,
    only_unused: bool = False,
    after: str | None = None,
    limit: int = 100,
) -> tuple[StoredCertificate, ...]:
    """Return certificates, the last to expire first: of *tenant* or of all, those after the one with the id *after*."""
    rows = await connection.fetch(_PAGE, tenant, source, only_unused, after, limit)
    return tuple(_certificate(row) for row in rows)


def _certificate(row: Row) -> StoredCertificate:
    values: dict[str, Any] = {**row, "names": tuple(row["names"])}
    return StoredCertificate(**{**values, "uses": tuple(UseView(**use) for use in row["uses"] or ())})
