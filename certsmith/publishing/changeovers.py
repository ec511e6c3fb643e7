"""The progress of a request to attach, detach or delete a customer's own certificate; pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from certsmith.publishing.progress import Progress, RequestOutcome
from shared.events import Standing
from shared.registry.views.fates import Fate
from shared.registry.views.model import CertificateView, HostedDomain, StoredCertificate
from shared.registry.views.standing import sentence_of, standing_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeover(Progress):
    """The progress of a change of a domain's certificate, and the certificate that it serves."""

    certificate: CertificateView | None = None

    @property
    def findings(self) -> dict[str, object]:
        """Further fields of the JSON document."""
        return {"certificate": None if self.certificate is None else asdict(self.certificate)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion(Progress):
    """The progress of a deletion of a certificate, and the *domains* that use it."""

    domains: Sequence[str] = ()

    @property
    def findings(self) -> dict[str, object]:
        """Further fields of the JSON document."""
        return {"domains": list(self.domains)}


def changeover_of(fate: Fate, domain: HostedDomain | None, *, wanted: str | None, now: datetime) -> Changeover:
    """Return the progress of the request with this *fate*, to attach the certificate *wanted* (None: to detach)."""
    if fate.was_refused:
        return Changeover(state="refused", sentence=fate.reason or "", outcome=RequestOutcome.REFUSED)
    if not fate.was_seen:
        return Changeover(state="published", sentence="no provisioner has handled it yet")
    if domain is None or domain.deleted_at is not None:
        return Changeover(state="deleted", sentence="the domain is deleted", outcome=RequestOutcome.FAILED)
    attached = next((each.id for each in _all(domain) if each.chosen_by == "attached"), None)
    if attached != wanted:
        what = "nothing is attached" if attached is None else f"{attached} is attached"
        sentence = f"a newer request was applied before this one: {what}"
        return _ended(domain, "outdated", sentence, RequestOutcome.FAILED)
    if wanted is None:
        return _detached(domain, now=now)
    return _attached(domain, wanted, now=now)


def deletion_of(fate: Fate, certificate: StoredCertificate | None) -> Deletion:
    """Return the progress of the request with this *fate*, to delete *certificate* (None: it no longer exists)."""
    uses = () if certificate is None else certificate.uses
    domains = tuple(use.domain for use in uses if use.by != "awaited")
    if fate.was_refused:
        return Deletion(state="refused", sentence=fate.reason or "", outcome=RequestOutcome.REFUSED, domains=domains)
    if not fate.was_seen:
        return Deletion(state="published", sentence="no validator has handled it yet", domains=domains)
    if certificate is not None:
        sentence = "it was deleted, and then uploaded again"
        return Deletion(state="stored", sentence=sentence, outcome=RequestOutcome.FAILED, domains=domains)
    return Deletion(state="deleted", sentence="the certificate and its key are deleted", outcome=RequestOutcome.DELETED)


def _attached(domain: HostedDomain, wanted: str, *, now: datetime) -> Changeover:
    shown = domain.certificate
    assert shown is not None  # the attached one at least
    if not domain.holds_name:
        sentence = f"{wanted} is attached, but another tenant's registration of {domain.name} is served"
        return _ended(domain, "attached", sentence, RequestOutcome.FAILED)
    if shown.id != wanted:
        (attached,) = (each for each in domain.other_certificates if each.chosen_by == "attached")
        why = "terminate_tls names it" if shown.chosen_by == "terminate_tls" else f"{wanted} {attached.flaw(now)}"
        sentence = f"{wanted} is attached, but {domain.name} serves {shown.id}, because {why}"
        return _ended(domain, "attached", sentence, RequestOutcome.FAILED)
    if not shown.is_valid_at(now):
        sentence = f"{wanted} is attached, but it {shown.flaw(now)}"
        return _ended(domain, "attached", sentence, RequestOutcome.FAILED)
    return _ended(domain, "attached", _now_serves(domain, shown), RequestOutcome.ATTACHED)


def _detached(domain: HostedDomain, *, now: datetime) -> Changeover:
    shown, order = domain.certificate, domain.order
    if standing_of(domain, now=now) is Standing.SERVING:
        assert shown is not None
        return _ended(domain, "detached", _now_serves(domain, shown), RequestOutcome.DETACHED)
    if order is not None and not order.is_finished:
        return Changeover(state=order.state, sentence=sentence_of(domain, now=now))
    if domain.key_type is None and shown is None:
        sentence = f"{domain.name} has no certificate now, and no policy to order one"
        return _ended(domain, "detached", sentence, RequestOutcome.DETACHED)
    return _ended(domain, "detached", f"it is detached; {sentence_of(domain, now=now)}", RequestOutcome.FAILED)


def _now_serves(domain: HostedDomain, shown: CertificateView) -> str:
    kind = {"attached": "the customer's own", "automatic": "an automatic one"}.get(
        shown.chosen_by, "named by terminate_tls"
    )
    until = f"{shown.not_after:%Y-%m-%d %H:%M} UTC"
    return f"{domain.name} now serves {shown.id}, {kind}, until {until}"


def _ended(domain: HostedDomain, state: str, sentence: str, outcome: RequestOutcome) -> Changeover:
    return Changeover(state=state, sentence=sentence, outcome=outcome, certificate=domain.certificate)


def _all(domain: HostedDomain) -> tuple[CertificateView, ...]:
    return (() if domain.certificate is None else (domain.certificate,)) + domain.other_certificates
