"""Why an uploaded certificate is not deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.validator.rules.uploads import MAX_SHOWN
from shared.errors import Reason
from shared.events import ReasonCode
from shared.identifiers import CertificateId
from shared.names import Name
from shared.sentences import some_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """What is stored under an id that is not among the tenant's uploaded certificates.

    With all fields false or None, the tenant has and had no such certificate.
    """

    is_automatic: bool
    waits_for_verdict: bool
    stored_as: CertificateId | None  # the tenant had the uploaded certificate already, under this id


def not_deletable(wanted: CertificateId, known: Whereabouts) -> Reason:
    """Return why *wanted*, of which this is *known*, is not deleted."""
    if known.is_automatic:
        text = f"{wanted} is an automatic certificate; its key is erased when its domain is deleted, and not before"
        return Reason(ReasonCode.CERTIFICATE_AUTOMATIC, text)
    if known.waits_for_verdict:
        text = f"{wanted} was uploaded and waits for its verdict; ask again when that is published"
        return Reason(ReasonCode.CERTIFICATE_NOT_JUDGED, text)
    if known.stored_as is not None:
        text = f"{wanted} is stored as {known.stored_as}, under which the tenant had it before; ask to delete that"
        return Reason(ReasonCode.CERTIFICATE_UNKNOWN, text)
    return Reason(
        ReasonCode.CERTIFICATE_UNKNOWN, f"there is no certificate {wanted} of this tenant; nothing was deleted"
    )


def in_use(certificate_id: CertificateId, users: Sequence[Name]) -> Reason:
    """Return the reason that *users* serve the certificate."""
    domains = some_of(users, most=MAX_SHOWN)
    text = f"{certificate_id} is used by {domains}; detach it there, or attach another, and ask again"
    return Reason(ReasonCode.CERTIFICATE_IN_USE, text)
