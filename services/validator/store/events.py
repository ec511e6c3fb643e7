"""What the validator tells, written to the outbox in the transaction of the change."""

from collections.abc import Sequence
from typing import Final

from shared.certificates import CertificateFacts
from shared.events import (
    Cause,
    CertificateReady,
    CertificateRejected,
    Data,
    DomainChanged,
    DomainVersion,
    Event,
    EventReason,
)
from shared.identifiers import CertificateId
from shared.messaging import outbox
from shared.registry.domains import Domain
from shared.store import Connection

SERVICE: Final = "validator"


async def publish(connection: Connection, data: Data, *, cause: Cause) -> None:
    """Tell *data* once this transaction is committed."""
    event = Event(data=data, source=SERVICE, cause=cause)
    await outbox.publish(connection, service=SERVICE, event=event)


async def publish_changed(connection: Connection, domain: Domain, *, cause: Cause) -> None:
    """Tell that the domain's row has changed."""
    data = DomainChanged(domain=domain.name, version=domain.version, deleted=domain.is_deleted)
    await publish(connection, data, cause=cause)


async def publish_rejected(
    connection: Connection,
    certificate_id: CertificateId,
    reasons: Sequence[EventReason],
    warnings: Sequence[EventReason] = (),
    *,
    cause: Cause,
) -> None:
    """Tell that the upload is refused."""
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
