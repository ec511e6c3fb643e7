"""The validator's reactions to events: store an upload to be judged, answer at once, or delete a certificate.

Each handler runs inside one transaction, does nothing slow, and opens no envelope: however often the process is killed,
uploads wait in the database, not in the queue. Handlers are idempotent by content: an identifier is used once, and the
same upload again gets the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from services.validator.metrics import count_rejection
from services.validator.rules import deletions, uploads
from services.validator.rules.uploads import Upload
from services.validator.store import events, whereabouts
from services.validator.store import uploads as stored_uploads
from shared.errors import Reason, RefusedError
from shared.events import (
    CertificateDeleted,
    CertificateDeletionRefused,
    CertificateDeletionRequested,
    CertificateUploaded,
    EventReason,
    Incoming,
    ReasonCode,
)
from shared.identifiers import CertificateId, new_event_id
from shared.names import Name
from shared.registry import certificates, tenants
from shared.store import Connection

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_UPLOADS_OFF: Final = EventReason(
    code=ReasonCode.UPLOADS_OFF,
    message="uploads are disabled for this tenant; ask the platform's operator to enable them",
    where="tenant",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """One method for each event. *uploads_allowed*: for tenants without a setting of their own."""

    uploads_allowed: bool

    async def on_certificate_uploaded(self, connection: Connection, event: Incoming) -> None:
        """Store the upload to be judged, or answer at once if it needs no judging."""
        data = event.data
        assert isinstance(data, CertificateUploaded)
        upload = uploads.read(data, requested_at=event.occurred_at, cause=event.cause)
        if not await tenants.uploads_allowed(connection, data.tenant, default=self.uploads_allowed):
            # Not stored, so that the same upload can be accepted once uploads are enabled.
            await _reject(connection, upload, _UPLOADS_OFF)
        elif upload.reasons:
            if await stored_uploads.refuse(connection, upload):
                await _reject(connection, upload, *upload.reasons)
            else:
                await _answer_again(connection, upload)
        elif await stored_uploads.receive(connection, upload):
            log.debug("upload_received", certificate_id=upload.certificate_id, tenant=upload.tenant)
        else:
            await _answer_again(connection, upload)

    async def on_certificate_deletion_requested(self, connection: Connection, event: Incoming) -> None:
        """Delete an uploaded certificate that no domain uses, erase its key, and publish `certificate.deleted`.

        Raises:
            RefusedError: domains use it, or the tenant uploaded no such certificate; `certificate.deletion_refused`
                says which.
        """
        data = event.data
        assert isinstance(data, CertificateDeletionRequested)
        certificate_id = CertificateId(data.certificate_id)
        users = await certificates.delete_uploaded(connection, certificate_id, tenant=data.tenant)
        if users is None:
            known = await whereabouts.of_certificate(connection, certificate_id, tenant=data.tenant)
            raise _deletion_refused(event, data, deletions.not_deletable(certificate_id, known))
        if users:
            raise _deletion_refused(event, data, deletions.in_use(certificate_id, users), domains=users)
        log.info("certificate_deleted", certificate_id=certificate_id)
        await events.publish(connection, CertificateDeleted(certificate_id=certificate_id), cause=event.cause)


async def _answer_again(connection: Connection, upload: Upload) -> None:
    """Answer an upload whose identifier was used before."""
    known = await stored_uploads.find(connection, upload.certificate_id)
    if known is None or (known.tenant, known.content_sha256) != (upload.tenant, upload.content_sha256):
        await _reject(connection, upload, uploads.identifier_used(upload.certificate_id))
        return
    log.info("upload_known", certificate_id=upload.certificate_id, state=known.state)
    if known.state == "received":  # its verdict will be published
        return
    if known.state == "rejected":
        await _reject(connection, upload, *known.reasons, warnings=known.warnings)
        return
    stored_id = known.stored_certificate_id
    certificate = None if stored_id is None else await certificates.find(connection, stored_id)
    if certificate is None:
        await _reject(connection, upload, uploads.deleted_since(upload.certificate_id))
        return
    ready = events.ready(
        certificate.id,
        uploaded_as=upload.certificate_id,
        facts=certificate.facts,
        publicly_trusted=certificate.publicly_trusted,
        warnings=known.warnings,
        domains=await stored_uploads.serving(connection, certificate.id),
    )
    await events.publish(connection, ready, cause=upload.cause)


async def _reject(
    connection: Connection, upload: Upload, *reasons: EventReason, warnings: tuple[EventReason, ...] = ()
) -> None:
    log.info("upload_rejected", certificate_id=upload.certificate_id, codes=sorted({reason.code for reason in reasons}))
    count_rejection(reasons)
    await events.publish_rejected(connection, upload.certificate_id, reasons, warnings, cause=upload.cause)


def _deletion_refused(
    event: Incoming, data: CertificateDeletionRequested, reason: Reason, *, domains: Sequence[Name] = ()
) -> RefusedError:
    """Return the refusal of *event*, with the fact `certificate.deletion_refused`."""
    fact = CertificateDeletionRefused(
        event_id=event.id or new_event_id(),
        certificate_id=data.certificate_id,
        domains=tuple(domains),
        reasons=(EventReason(code=reason.code, message=reason.message),),
    )
    return RefusedError(reason, fact=fact)
