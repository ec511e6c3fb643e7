"""The results of a step. The runner commits each of them in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.provisioner.rules.acme import Problem
from services.provisioner.rules.budgets import Limit
from services.provisioner.rules.ca_errors.verdict import Verdict
from services.provisioner.rules.challenges import ChallengeAnswer
from services.provisioner.rules.orders import Trigger, Trouble
from shared.certificates import CertificateFacts
from shared.vault import SealedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class NameClaim:
    """The order's domain needs its name; it gets it from another holder only if its DNS *is_proof*."""

    is_proof: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """The order moves on by *trigger*, with *changes* to its fields, and the run continues.

    Committed together with the new state, all or nothing: *name_claim*, the new *key*, a token of each of *draws*, and
    *answers*, which terminators give from then on.
    """

    trigger: Trigger
    changes: Mapping[str, object] = field(default_factory=dict)
    name_claim: NameClaim | None = None
    key: SealedKey | None = None
    draws: tuple[Limit, ...] = ()
    answers: tuple[ChallengeAnswer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The CA issued the certificate: *chain* is DER, leaf first, and *facts* are those of the leaf."""

    chain: tuple[bytes, ...]
    facts: CertificateFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsNotReady:
    """The name does not lead here yet; *message* asks the owner of its DNS to change that."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaStillWorking:
    """The CA has not finished; nothing has failed. *retry_after_seconds* is the CA's Retry-After."""

    retry_after_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanNeeded:
    """The order cannot succeed until somebody acts."""

    trouble: Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class TryFailed:
    """This order at the CA failed: *verdict* says why and what helps, *problem* is what the CA said."""

    verdict: Verdict
    problem: Problem | None = None


StepResult = Advance | Issued | DnsNotReady | CaStillWorking | HumanNeeded | TryFailed
