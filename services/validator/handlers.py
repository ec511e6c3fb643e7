"""What a message causes: a row to be judged, or an answer at once. Each handler works inside one transaction.

It looks at nothing that takes long, and opens nothing: however often the process is killed, what waits is in the
database, not in the queue. Idempotent by content: an identifier is used once, and the same upload again gets the same
answer.
"""

from dataclasses import dataclass

import structlog

from services.validator.metrics import count_rejection
from services.validator.rules import uploads
from services.validator.rules.uploads import Upload
from services.validator.store import events
from services.validator.store import uploads as stored_uploads
from shared.events import CertificateUploaded, EventReason, Incoming
from shared.registry import certificates, tenants
from shared.store import Connection

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The validator's reactions. *uploads_allowed*: by tenants about whom nothing was said."""

    uploads_allowed: bool

    async def on_certificate_uploaded(self, connection: Connection, event: Incoming) -> None:
        """Store the upload to be judged; answer at once what needs no judging."""
        data = event.data
        assert isinstance(data, CertificateUploaded)
        upload = uploads.read(
            data,
            requested_at=event.occurred_at,
            cause=event.cause,
        )
        if not await tenants.uploads_allowed(connection, data.tenant, default=self.uploads_allowed):
            # Nothing is remembered of it: it may be allowed the next time.
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


async def _answer_again(connection: Connection, upload: Upload) -> None:
    """Answer an upload whose identifier was used before."""
    known = await stored_uploads.find(connection, upload.certificate_id)
    if known is None or (known.tenant, known.content_sha256) != (upload.tenant, upload.content_sha256):
        await _reject(connection, upload, _taken(upload))
        return
    log.info("upload_known", certificate_id=upload.certificate_id, state=known.state)
    if known.state == "received":  # it will be answered
        return
    if known.state == "rejected":
        await _reject(connection, upload, *known.reasons, warnings=known.warnings)
        return
    stored_id = known.stored_certificate_id
    certificate = None if stored_id is None else await certificates.find(connection, stored_id)
    if certificate is None:
        await _reject(connection, upload, _deleted(upload))
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
    await events.publish_rejected(
        connection,
        upload.certificate_id,
        reasons,
        warnings,
        cause=upload.cause,
    )


_UPLOADS_OFF = EventReason(
    code="uploads_off",
    message="this platform takes no certificates of this tenant's own; ask its operator to allow them",
    where="tenant",
)


def _taken(upload: Upload) -> EventReason:
    message = (
        f"the identifier {upload.certificate_id} was used before, for something else; choose one that was never used, "
        "and seal the key for it"
    )
    return EventReason(code="certificate_id_taken", message=message, where="certificate_id")


def _deleted(upload: Upload) -> EventReason:
    message = (
        f"what was uploaded as {upload.certificate_id} was stored and then deleted; to have it back, upload it under "
        "an identifier that was never used"
    )
    return EventReason(code="certificate_deleted", message=message, where="certificate_id")
