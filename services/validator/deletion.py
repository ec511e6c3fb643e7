"""What `certificate.deletion_requested` causes: the certificate and its key are gone, or the request is refused."""

from collections.abc import Sequence
from typing import Final

import structlog

from services.validator.store import events, whereabouts
from shared.errors import Reason, RefusedError
from shared.events import (
    CertificateDeleted,
    CertificateDeletionRefused,
    CertificateDeletionRequested,
    EventReason,
    Incoming,
)
from shared.identifiers import CertificateId, new_event_id
from shared.names import Name
from shared.registry import certificates
from shared.store import Connection

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_MAX_SHOWN: Final = 20  # domains in one sentence; the fact has them all


async def on_certificate_deletion_requested(connection: Connection, event: Incoming) -> None:
    """Forget an uploaded certificate that no domain uses, erase its key, and tell `certificate.deleted`.

    Raises:
        RefusedError: domains use it, or the tenant uploaded no such certificate; `certificate.deletion_refused` tells
            which.
    """
    data = event.data
    assert isinstance(data, CertificateDeletionRequested)
    certificate_id = CertificateId(data.certificate_id)
    users = await certificates.delete_uploaded(connection, certificate_id, tenant=data.tenant)
    if users is None:
        raise _refused(event, data, await _why_unknown(connection, data))
    if users:
        raise _refused(event, data, _in_use(data.certificate_id, users), domains=users)
    log.info("certificate_deleted", certificate_id=certificate_id)
    await events.publish(
        connection,
        CertificateDeleted(certificate_id=certificate_id),
        cause=event.cause,
    )


async def _why_unknown(connection: Connection, data: CertificateDeletionRequested) -> Reason:
    wanted = CertificateId(data.certificate_id)
    known = await whereabouts.of_certificate(connection, wanted, tenant=data.tenant)
    if known.is_automatic:
        text = f"{wanted} is an automatic certificate; its key is erased when its domain is deleted, and not before"
        return Reason("certificate_automatic", text)
    if known.waits_for_verdict:
        text = f"{wanted} was uploaded and waits for its verdict; ask again when that is told"
        return Reason("certificate_not_judged", text)
    if known.stored_as is not None:
        text = f"{wanted} is stored as {known.stored_as}, under which the tenant had it before; ask to delete that"
        return Reason("certificate_unknown", text)
    return Reason("certificate_unknown", f"there is no certificate {wanted} of this tenant; nothing was deleted")


def _in_use(certificate_id: str, users: Sequence[Name]) -> Reason:
    shown = ", ".join(users[:_MAX_SHOWN])
    more = f" and {len(users) - _MAX_SHOWN} more" if len(users) > _MAX_SHOWN else ""
    text = f"{certificate_id} is used by {shown}{more}; detach it there, or attach another, and ask again"
    return Reason("certificate_in_use", text)


def _refused(
    event: Incoming, data: CertificateDeletionRequested, reason: Reason, *, domains: Sequence[Name] = ()
) -> RefusedError:
    """Return the refusal of *event*, which is told as `certificate.deletion_refused`."""
    fact = CertificateDeletionRefused(
        event_id=event.id or new_event_id(),
        certificate_id=data.certificate_id,
        domains=tuple(domains),
        reasons=(EventReason(code=reason.code, message=reason.message),),
    )
    return RefusedError(reason, fact=fact)
