"""The progress of a request, and its outcome once it has ended; pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rich.console import RenderableType

from certsmith.exits import ExitCode
from shared.events import Standing
from shared.registry.views.fates import Fate
from shared.registry.views.model import HostedDomain
from shared.registry.views.standing import sentence_of, standing_of


class RequestOutcome(StrEnum):
    """The outcome of a request."""

    SERVED = "served"
    REGISTERED = "registered"
    """The domain is registered without a certificate, as requested."""
    DELETED = "deleted"
    ATTACHED = "attached"
    DETACHED = "detached"
    ACCEPTED = "accepted"
    """An upload was judged and stored."""
    REJECTED = "rejected"
    """An upload was judged, and there are reasons to reject it."""
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command that waited."""
        return (
            ExitCode.REFUSED
            if self in (RequestOutcome.REJECTED, RequestOutcome.REFUSED, RequestOutcome.FAILED)
            else ExitCode.DONE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a request: its state, a sentence about it, and its outcome once it has ended."""

    state: str
    sentence: str
    outcome: RequestOutcome | None = None

    @property
    def document(self) -> dict[str, object]:
        """The progress as JSON."""
        outcome = self.outcome or "timeout"
        return {"outcome": outcome, "state": self.state, "message": self.sentence, **self.findings}

    @property
    def findings(self) -> dict[str, object]:
        """Further fields of the JSON document."""
        return {}

    @property
    def details(self) -> tuple[RenderableType, ...]:
        """Further lines for people."""
        return ()


def progress_of(fate: Fate, domain: HostedDomain | None, *, deletes: bool, now: datetime) -> Progress:
    """Return the progress of the request with this *fate* about *domain* (None: not registered).

    *deletes*: the request was to delete the domain.
    """
    if fate.was_refused:
        return Progress(state="refused", sentence=fate.reason or "", outcome=RequestOutcome.REFUSED)
    if not fate.was_seen:
        return Progress(state="published", sentence="no provisioner has handled it yet")
    if domain is None or domain.deleted_at is not None:
        outcome = RequestOutcome.DELETED if deletes else RequestOutcome.FAILED
        return Progress(state="deleted", sentence="the domain is deleted", outcome=outcome)
    if deletes:
        sentence = "a newer request has registered the domain again"
        return Progress(state="registered", sentence=sentence, outcome=RequestOutcome.FAILED)
    return _of_living(domain, now=now)


def _of_living(domain: HostedDomain, *, now: datetime) -> Progress:
    order, sentence = domain.order, sentence_of(domain, now=now)
    if order is not None and not order.is_finished:
        return Progress(state=order.state, sentence=sentence)
    if order is not None and not order.is_issued:
        return Progress(state=order.state, sentence=sentence, outcome=RequestOutcome.FAILED)
    if standing_of(domain, now=now) is Standing.SERVING:
        return Progress(state="served", sentence=sentence, outcome=RequestOutcome.SERVED)
    if domain.key_type is None and domain.certificate is None:
        return Progress(state="registered", sentence=sentence, outcome=RequestOutcome.REGISTERED)
    return Progress(state="stuck", sentence=sentence, outcome=RequestOutcome.FAILED)
