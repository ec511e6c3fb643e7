"""The facts that answer a publisher whose request was refused before any handler saw it."""

import re
from collections.abc import Sequence
from typing import Final

from shared.errors import Reason
from shared.events import (
    PUBLIC,
    CertificateDeletionRefused,
    CertificateDeletionRequested,
    CertificateRejected,
    CertificateUploaded,
    Data,
    DomainRejected,
    EventReason,
    JsonObject,
)

_MAX_DOMAIN: Final = 1024  # as in shared.events
_CERTIFICATE_ID = re.compile(r"cert_[0-9A-Za-z_-]{1,100}")


def rejection_of(event_type: str, data: JsonObject, *, event_id: str | None, reasons: Sequence[Reason]) -> Data | None:
    """Return the fact that a public message of *event_type* with this *data* was refused.

    None if the data names neither domain nor certificate, or if the message is not a request.
    """
    shown = tuple(EventReason(code=reason.code, message=reason.message) for reason in reasons)
    domain, certificate_id = data.get("domain"), data.get("certificate_id")
    if event_type in (CertificateUploaded.type, CertificateDeletionRequested.type):
        if not isinstance(certificate_id, str) or not _CERTIFICATE_ID.fullmatch(certificate_id):
            return None
        if event_type == CertificateUploaded.type:
            return CertificateRejected(certificate_id=certificate_id, reasons=shown)
        return CertificateDeletionRefused(
            event_id=event_id or "", certificate_id=certificate_id, domains=(), reasons=shown
        )
    if event_type in PUBLIC and isinstance(domain, str) and 0 < len(domain) <= _MAX_DOMAIN:
        return DomainRejected(event_id=event_id or "", domain=domain, reasons=shown)
    return None
