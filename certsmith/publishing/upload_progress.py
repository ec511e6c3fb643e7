"""Where an upload stands, and what the validator found; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from certsmith.publishing.progress import Progress, RequestOutcome
from certsmith.terminal import facts, printable
from shared.registry.views.fates import Fate
from shared.registry.views.model import HostedDomain, Remark, UploadedCertificate, UploadView

_UNRECORDED: Final = (
    "nothing is recorded of it: uploads are switched off (VALIDATOR_UPLOADS), or it was answered long ago and forgotten"
)
_FORBIDDEN: Final = Remark(
    code="uploads_off",
    message="uploads are switched off for this tenant; `certsmith uploads allow TENANT` switches them on",
    where="tenant",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadProgress(Progress):
    """Where an upload stands, and once it is judged what was found.

    *domains* are those that it was to be attached to, in order, and whether they show it now; None: its tenant has no
    such domain yet.
    """

    certificate: UploadedCertificate | None = None
    reasons: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    domains: Mapping[str, bool | None] = field(default_factory=dict)

    @property
    def findings(self) -> dict[str, object]:
        """What programs are told beside the sentence."""
        return {
            "certificate": None if self.certificate is None else asdict(self.certificate),
            "reasons": [asdict(each) for each in self.reasons],
            "warnings": [asdict(each) for each in self.warnings],
            "domains": [name for name, shows_it in self.domains.items() if shows_it],
        }

    @property
    def details(self) -> tuple[RenderableType, ...]:
        """The reasons against it, one a line; or what was stored, and who serves it."""
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
    """Return where the upload stands that was published with *correlation_id* and whose *fate* this is.

    *upload* is the record of its certificate's id, which may be of another; *attached* has the domains of its `attach`,
    None where one is not registered. Of what a tenant uploads who may not, nothing is recorded.
    """
    if fate.was_refused:
        return UploadProgress(state="refused", sentence=fate.reason or "", outcome=RequestOutcome.REFUSED)
    if upload is not None and upload.correlation_id == correlation_id:
        return _of_own(upload, attached)
    if not fate.was_seen:
        return UploadProgress(state="published", sentence="no validator has taken it yet")
    if upload is None and not may_upload:
        return _rejected((_FORBIDDEN,), ())
    if upload is None:
        return UploadProgress(state="unrecorded", sentence=_UNRECORDED, outcome=RequestOutcome.REJECTED)
    taken = Remark(
        code="certificate_id_taken",
        message=f"{upload.certificate_id} is the id of another upload; give one that was not used before, or none",
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


def _rejected(reasons: tuple[Remark, ...], warnings: tuple[Remark, ...]) -> UploadProgress:
    count = len(reasons)
    sentence = "there is a reason against it" if count == 1 else f"there are {count} reasons against it"
    return UploadProgress(
        state="rejected", sentence=sentence, outcome=RequestOutcome.REJECTED, reasons=reasons, warnings=warnings
    )


def _accepted(upload: UploadView, attached: Mapping[str, HostedDomain | None]) -> UploadProgress:
    stored = upload.certificate
    if stored is None:
        sentence = "it was stored, and has been deleted since"
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
        domains={name: _shows(domain, stored) for name, domain in attached.items()},
    )


def _attached(name: str, *, shows_it: bool | None) -> str:
    if shows_it is None:
        return f"{name}, as soon as its tenant registers it"
    return name if shows_it else f"{name}, which does not show it yet: `certsmith status {name}`"


def _shows(domain: HostedDomain | None, stored: UploadedCertificate | None) -> bool | None:
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
        text = "publicly: browsers know its root" if certificate.publicly_trusted else "only by those who know its root"
        yield "trusted", text


def of_remark(remark: Remark) -> Text:
    """Return what people read of *remark*: its sentence names the object at fault, `where` is for programs."""
    return Text.assemble(printable(f"{remark.message} "), (f"({remark.code})", "dim"))
