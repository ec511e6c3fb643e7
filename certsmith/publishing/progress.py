"""What has become of a request so far, and whether that is the end of it; pure."""

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
    """How a request ended."""

    SERVED = "served"
    REGISTERED = "registered"
    """As it was asked for: without a certificate."""
    DELETED = "deleted"
    ATTACHED = "attached"
    DETACHED = "detached"
    ACCEPTED = "accepted"
    """An upload: judged and stored."""
    REJECTED = "rejected"
    """An upload: judged, with reasons against it."""
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a command that waited for it."""
        return (
            ExitCode.REFUSED
            if self in (RequestOutcome.REJECTED, RequestOutcome.REFUSED, RequestOutcome.FAILED)
            else ExitCode.DONE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a request stands: a word, a sentence, and how it ended if it has."""

    state: str
    sentence: str
    outcome: RequestOutcome | None = None

    @property
    def document(self) -> dict[str, object]:
        """The JSON that tells of it."""
        outcome = self.outcome or "timeout"
        return {"outcome": outcome, "state": self.state, "message": self.sentence, **self.findings}

    @property
    def findings(self) -> dict[str, object]:
        """What programs are told beside the sentence."""
        return {}

    @property
    def details(self) -> tuple[RenderableType, ...]:
        """What people are told beside the sentence."""
        return ()


def progress_of(fate: Fate, domain: HostedDomain | None, *, deletes: bool, now: datetime) -> Progress:
    """Return where a request stands whose *fate* this is, and which is about *domain* (None: not registered).

    *deletes* says that it asked for the domain to be deleted.
    """
    if fate.was_refused:
        return Progress(state="refused", sentence=fate.reason or "", outcome=RequestOutcome.REFUSED)
    if not fate.was_seen:
        return Progress(state="published", sentence="no provisioner has taken it yet")
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
