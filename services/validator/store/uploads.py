"""The rows of uploads, read and written inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from services.validator.rules.uploads import Upload
from services.validator.store.claims import CHANNEL
from shared.events import DomainVersion, EventReason
from shared.identifiers import CertificateId
from shared.store import Connection

_RECEIVE: Final = """
WITH received AS (
    INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, bundle, sealed, intake_key_id, attach,
        description, metadata, requested_at, correlation_id, traceparent)
    SELECT $1, $2, 'received', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
    WHERE NOT EXISTS (SELECT FROM registry.certificates WHERE id = $1)
    ON CONFLICT (certificate_id) DO NOTHING RETURNING certificate_id
)
SELECT pg_notify($13, '') FROM received
"""
_REFUSE: Final = """
INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, intake_key_id, attach, description,
    metadata, requested_at, correlation_id, traceparent, reasons, judged_at)
SELECT $1, $2, 'rejected', $3, $4, $5, $6, $7, $8, $9, $10, $11, now()
WHERE NOT EXISTS (SELECT FROM registry.certificates WHERE id = $1)
ON CONFLICT (certificate_id) DO NOTHING RETURNING true
"""
_PRUNE: Final = """
WITH old AS (
    SELECT certificate_id FROM validator.uploads
    WHERE state <> 'received' AND judged_at < now() - $1::interval AND stored_certificate_id IS NULL
    ORDER BY judged_at LIMIT $2 FOR UPDATE SKIP LOCKED
), pruned AS (
    DELETE FROM validator.uploads USING old WHERE uploads.certificate_id = old.certificate_id RETURNING true
)
SELECT count(*) FROM pruned
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored of the upload that used an identifier first."""

    tenant: str
    content_sha256: bytes
    state: str  # 'received', 'accepted', 'rejected'
    stored_certificate_id: CertificateId | None  # None: none was stored, or it was deleted since
    reasons: tuple[EventReason, ...]
    warnings: tuple[EventReason, ...]


async def receive(connection: Connection, upload: Upload) -> bool:
    """Store *upload*, due now, and wake the workers; return False when its identifier was used before."""
    received = await connection.fetchrow(
        _RECEIVE,
        upload.certificate_id,
        upload.tenant,
        upload.content_sha256,
        upload.bundle,
        upload.sealed,
        upload.intake_key_id,
        upload.attach,
        upload.description,
        upload.metadata,
        upload.requested_at,
        upload.cause.correlation_id,
        upload.cause.traceparent,
        CHANNEL,
    )
    return received is not None


async def refuse(connection: Connection, upload: Upload) -> bool:
    """Store that *upload* is rejected, without bundle and key; return False when its identifier was used before."""
    is_new = await connection.fetchval(
        _REFUSE,
        upload.certificate_id,
        upload.tenant,
        upload.content_sha256,
        upload.intake_key_id,
        upload.attach,
        upload.description,
        upload.metadata,
        upload.requested_at,
        upload.cause.correlation_id,
        upload.cause.traceparent,
        remarks(upload.reasons),
    )
    return bool(is_new)


async def find(connection: Connection, certificate_id: CertificateId) -> Known | None:
    """Return what is stored of the upload *certificate_id*; None when there is no row, or no longer."""
    row = await connection.fetchrow(
        "SELECT tenant, content_sha256, state, stored_certificate_id, reasons, warnings FROM validator.uploads "
        "WHERE certificate_id = $1",
        certificate_id,
    )
    if row is None:
        return None
    return Known(
        tenant=row["tenant"],
        content_sha256=row["content_sha256"],
        state=row["state"],
        stored_certificate_id=row["stored_certificate_id"],
        reasons=tuple(map(EventReason.model_validate, row["reasons"])),
        warnings=tuple(map(EventReason.model_validate, row["warnings"])),
    )


async def serving(connection: Connection, certificate_id: CertificateId) -> tuple[DomainVersion, ...]:
    """Return the domains, except deleted ones, to which the certificate is attached."""
    rows = await connection.fetch(
        "SELECT name, version FROM registry.domains WHERE attached_certificate_id = $1 AND deleted_at IS NULL "
        "ORDER BY name",
        certificate_id,
    )
    return tuple(DomainVersion(domain=row["name"], version=row["version"]) for row in rows)


async def prune(connection: Connection, *, older_than: timedelta, limit: int) -> int:
    """Delete up to *limit* rows that have no stored certificate and were judged longer ago than *older_than*.

    Return how many were deleted.
    """
    return int(await connection.fetchval(_PRUNE, older_than, limit))


def remarks(reasons: Sequence[EventReason]) -> list[dict[str, Any]]:
    """Return *reasons* as JSON values, as the table stores them."""
    return [reason.model_dump(mode="json") for reason in reasons]
