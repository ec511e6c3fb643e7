"""Reads uploads and their verdicts."""

from typing import Any, Final

from shared.registry.views.model import UploadedCertificate, UploadRemark, UploadView
from shared.store.connection import Connection, Row

_SELECT: Final = """
SELECT upload.certificate_id, upload.tenant, upload.state, upload.attach, upload.description, upload.metadata,
    upload.correlation_id, upload.attempt, upload.next_attempt_at,
    coalesce(upload.lease_until > now(), false) AS is_in_hand, upload.reasons, upload.warnings, upload.received_at,
    upload.judged_at,
    stored.id AS stored_id, stored.names, stored.issuer, stored.serial_number,
    encode(stored.fingerprint, 'hex') AS fingerprint, stored.key_type, stored.not_before, stored.not_after,
    stored.publicly_trusted
FROM validator.uploads AS upload
LEFT JOIN registry.certificates AS stored ON stored.id = upload.stored_certificate_id
"""
_NAMED: Final = f"{_SELECT} WHERE upload.certificate_id = $1"
_PAGE: Final = f"""{_SELECT}
WHERE ($1::text IS NULL OR upload.tenant = $1) AND ($2::text IS NULL OR upload.state = $2)
    AND ($3::text IS NULL OR (upload.received_at, upload.certificate_id)
        < (SELECT last.received_at, last.certificate_id FROM validator.uploads AS last WHERE last.certificate_id = $3))
ORDER BY upload.received_at DESC, upload.certificate_id DESC
LIMIT $4
"""  # noqa: S608 - constants only


async def named(connection: Connection, certificate_id: str) -> UploadView | None:
    """Return the upload that was published as *certificate_id*, if there is a record of it."""
    row = await connection.fetchrow(_NAMED, certificate_id)
    return None if row is None else _upload(row)


async def page(
    connection: Connection,
    *,
    tenant: str | None = None,
    state: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> tuple[UploadView, ...]:
    """Return uploads, newest first: of *tenant* or of all, in *state* or any, those after the upload *after*."""
    return tuple(_upload(row) for row in await connection.fetch(_PAGE, tenant, state, after, limit))


def _upload(row: Row) -> UploadView:
    return UploadView(
        certificate_id=row["certificate_id"],
        tenant=row["tenant"],
        state=row["state"],
        attach=tuple(row["attach"]),
        description=row["description"],
        metadata=row["metadata"],
        correlation_id=row["correlation_id"],
        attempt=row["attempt"],
        next_attempt_at=row["next_attempt_at"],
        is_in_hand=row["is_in_hand"],
        reasons=_remarks(row["reasons"]),
        warnings=_remarks(row["warnings"]),
        received_at=row["received_at"],
        judged_at=row["judged_at"],
        certificate=None if row["stored_id"] is None else _certificate(row),
    )


def _certificate(row: Row) -> UploadedCertificate:
    return UploadedCertificate(
        id=row["stored_id"],
        names=tuple(row["names"]),
        issuer=row["issuer"],
        serial_number=row["serial_number"],
        fingerprint=row["fingerprint"],
        key_type=row["key_type"],
        not_before=row["not_before"],
        not_after=row["not_after"],
        publicly_trusted=row["publicly_trusted"],
    )


def _remarks(found: list[dict[str, Any]]) -> tuple[UploadRemark, ...]:
    return tuple(UploadRemark(code=each["code"], message=each["message"], where=each.get("where")) for each in found)
