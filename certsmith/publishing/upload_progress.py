"""The progress of an upload, and its verdict; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from certsmith.publishing.progress import Progress, RequestOutcome
from certsmith.terminal import facts, printable
from shared.events import ReasonCode
from shared.registry.views.fates import Fate
from shared.registry.views.model import HostedDomain, UploadedCertificate, UploadRemark, UploadView

_UNRECORDED: Final = (
    "there is no record of it: uploads are disabled (VALIDATOR_UPLOADS), or its record was deleted some time after its "
    "verdict"
)
_FORBIDDEN: Final = UploadRemark(
    code=ReasonCode.UPLOADS_OFF,
    message="uploads are disabled for this tenant; `certsmith uploads allow TENANT` enables them",
    where="tenant",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadProgress(Progress):
    """The progress of an upload and, once it is judged, its verdict.

    *domains* are those of its `attach`, in order, each with whether it serves the certificate now (None: the tenant has
    no such domain yet).
    """

    certificate: UploadedCertificate | None = None
    reasons: tuple[UploadRemark, ...] = ()
    warnings: tuple[UploadRemark, ...] = ()
    domains: Mapping[str, bool | None] = field(default_factory=dict)

    @property
    def findings(self) -> dict[str, object]:
        """Further fields of the JSON document."""
        return {
            "certificate": None if self.certificate is None else asdict(self.certificate),
            "reasons": [asdict(each) for each in self.reasons],
            "warnings": [asdict(each) for each in self.warnings],
            "domains": [name for name, shows_it in self.domains.items() if shows_it],
        }

    @property
    def details(self) -> tuple[RenderableType, ...]:
        """The reasons why it was rejected, one a line; or the stored certificate and the domains that serve it."""
        pairs = tuple(self._facts())
        return (facts(pairs),) if pairs else ()

    def _facts(self) -> Iterator[tuple[str, RenderableType]]:
        for reason in self.reasons:
            yield "reason", of_remark(reason)
        if self.certificate is not None:
            yield from _of_certificate(self.certificate)
        for name, shows_it in self.domains.items():
            yield "attached to", _attached(name, shows_it=shows_it)
        for warning in self.warnings:
            yield "warning", of_remark(warning)


def upload_progress_of(
    fate: Fate,
    upload: UploadView | None,
    *,
    correlation_id: str | None,
    attached: Mapping[str, HostedDomain | None],
    may_upload: bool,
) -> UploadProgress:
    """Return the progress of the upload that was published with *correlation_id* and has this *fate*.

    *upload* is the record with the same certificate id, which may belong to another upload. *attached* has the domains
    of its `attach`, None for one that is not registered. An upload by a tenant that may not upload has no record.
    """
    if fate.was_refused:
        return UploadProgress(state="refused", sentence=fate.reason or "", outcome=RequestOutcome.REFUSED)
    if upload is not None and upload.correlation_id == correlation_id:
        return _of_own(upload, attached)
    if not fate.was_seen:
        return UploadProgress(state="published", sentence="no validator has handled it yet")
    if upload is None and not may_upload:
        return _rejected((_FORBIDDEN,), ())
    if upload is None:
        return UploadProgress(state="unrecorded", sentence=_UNRECORDED, outcome=RequestOutcome.REJECTED)
    taken = UploadRemark(
        code=ReasonCode.CERTIFICATE_ID_TAKEN,
        message=f"{upload.certificate_id} is the id of another upload; choose an unused id, or leave it out",
        where="certificate_id",
    )
    return _rejected((taken,), ())


def _of_own(upload: UploadView, attached: Mapping[str, HostedDomain | None]) -> UploadProgress:
    match upload.state:
        case "received":
            doing = "it is being judged" if upload.is_in_hand else "it waits to be judged"
            return UploadProgress(state="received", sentence=doing)
        case "rejected":
            return _rejected(upload.reasons, upload.warnings)
        case _:
            return _accepted(upload, attached)


def _rejected(reasons: tuple[UploadRemark, ...], warnings: tuple[UploadRemark, ...]) -> UploadProgress:
    count = len(reasons)
    sentence = "there is a reason to reject it" if count == 1 else f"there are {count} reasons to reject it"
    return UploadProgress(
        state="rejected", sentence=sentence, outcome=RequestOutcome.REJECTED, reasons=reasons, warnings=warnings
    )


def _accepted(upload: UploadView, attached: Mapping[str, HostedDomain | None]) -> UploadProgress:
    stored = upload.certificate
    if stored is None:
        sentence = "it was stored, and has been deleted since then"
    elif stored.id != upload.certificate_id:
        sentence = f"the tenant has this certificate already, as {stored.id}"
    else:
        sentence = f"it is stored as {stored.id}"
    return UploadProgress(
        state="accepted",
        sentence=sentence,
        outcome=RequestOutcome.ACCEPTED,
        certificate=stored,
        warnings=upload.warnings,
        domains={name: _serves(domain, stored) for name, domain in attached.items()},
    )


def _attached(name: str, *, shows_it: bool | None) -> str:
    if shows_it is None:
        return f"{name}, as soon as its tenant registers it"
    return name if shows_it else f"{name}, which does not serve it yet: see `certsmith status {name}`"


def _serves(domain: HostedDomain | None, stored: UploadedCertificate | None) -> bool | None:
    if domain is None or domain.deleted_at is not None:
        return None
    if stored is None or not domain.holds_name:
        return False
    return domain.certificate is not None and domain.certificate.id == stored.id


def _of_certificate(certificate: UploadedCertificate) -> Iterator[tuple[str, RenderableType]]:
    yield "certificate", Text(certificate.id, "bold")
    yield "for", printable(", ".join(certificate.names))
    yield "until", f"{certificate.not_after:%Y-%m-%d %H:%M} UTC"
    yield "issuer", printable(certificate.issuer)
    if certificate.publicly_trusted is not None:
        is_public = certificate.publicly_trusted
        yield "trusted", "publicly: browsers trust its root" if is_public else "only by clients that trust its root"


def of_remark(remark: UploadRemark) -> Text:
    """Return *remark* for people: its message names the object at fault, so `where` is left out."""
    return Text.assemble(printable(f"{remark.message} "), (f"({remark.code})", "dim"))
