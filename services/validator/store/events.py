"""The facts that the validator publishes, written to the outbox in the transaction of the change."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from shared.certificates import CertificateFacts
from shared.events import Cause, CertificateReady, CertificateRejected, DomainVersion, EventReason
from shared.identifiers import CertificateId
from shared.registry import events
from shared.store import Connection

SERVICE: Final = "validator"

publish = partial(events.publish, service=SERVICE)
publish_changed = partial(events.publish_changed, service=SERVICE)


async def publish_rejected(
    connection: Connection,
    certificate_id: CertificateId,
    reasons: Sequence[EventReason],
    warnings: Sequence[EventReason] = (),
    *,
    cause: Cause,
) -> None:
    """Publish that the upload is rejected, once this transaction commits."""
    data = CertificateRejected(certificate_id=certificate_id, reasons=tuple(reasons), warnings=tuple(warnings))
    await publish(connection, data, cause=cause)


def ready(
    stored_id: CertificateId,
    *,
    uploaded_as: CertificateId,
    facts: CertificateFacts,
    publicly_trusted: bool | None,
    warnings: Sequence[EventReason],
    domains: Sequence[DomainVersion],
) -> CertificateReady:
    """Return the fact that the upload *uploaded_as* is stored as *stored_id*, and *domains* serve it."""
    return CertificateReady(
        certificate_id=stored_id,
        domains=tuple(domains),
        not_before=facts.not_before,
        not_after=facts.not_after,
        serial_number=facts.serial_number,
        issuer=facts.issuer,
        source="uploaded",
        publicly_trusted=publicly_trusted,
        warnings=tuple(warnings),
        uploaded_as=None if uploaded_as == stored_id else uploaded_as,
    )
