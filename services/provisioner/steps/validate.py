"""ordered → validating → finalizing: publish the answers to the CA's challenges, then let the CA validate.

The answers are committed first, so that every terminator gives them before the CA is asked to look. What differs from
one kind of challenge to another is in `services.provisioner.steps.challenges`.
"""

from datetime import datetime, timedelta
from typing import Final, Protocol

from services.provisioner.ports import AcmeAccount
from services.provisioner.rules.acme import (
    AuthorizationStatus,
    CaChallenge,
    CaOrder,
    ChallengeStatus,
    OrderStatus,
)
from services.provisioner.rules.ca_errors import classify
from services.provisioner.rules.challenges import ChallengeAnswer
from services.provisioner.rules.orders import Trigger
from services.provisioner.steps.results import Advance, CaStillWorking, DnsNotReady, StepResult, TryFailed
from services.provisioner.steps.run import Run

PATIENCE_SECONDS: Final = 20.0  # how long a run waits for the CA before it releases the order and claims another
_CHALLENGE_LIFE: Final = timedelta(days=7)  # as long as a pending order lives at Let's Encrypt


class Challenge(Protocol):
    """One kind of challenge (RFC 8555 section 8)."""

    @property
    def kind(self) -> str:
        """The challenge's type in the CA's authorizations: `http-01`, ..."""

    async def answers(self, run: Run, account: AcmeAccount, *, expires_at: datetime) -> tuple[ChallengeAnswer, ...]:
        """Return what must be published until *expires_at* for the names of the order.

        Raises:
            AuthorityError: the CA had to be asked, and did not answer.
        """

    async def obstacle(self, run: Run, account: AcmeAccount, challenge: CaChallenge) -> str | None:
        """Return why the CA would not see our answer to *challenge*, as a sentence to the owner of the DNS.

        None: the CA may look. Raises nothing.
        """


async def publish(run: Run, account: AcmeAccount, challenge: Challenge, *, now: datetime) -> StepResult:
    """Return the answers that must be published before the CA is asked to look."""
    expires_at = run.order.order_expires_at or now + _CHALLENGE_LIFE
    answers = await challenge.answers(run, account, expires_at=expires_at)
    return Advance(trigger=Trigger.CHALLENGES_PUBLISHED, answers=answers)


async def validate(run: Run, account: AcmeAccount, challenge: Challenge) -> StepResult:
    """Check our own answers from outside, ask the CA to look, and wait for its decision."""
    ca_order = await run.order_at_ca(account)
    if ca_order.status is OrderStatus.PENDING:
        obstacle = await _answer_challenges(run, account, challenge)
        if obstacle is not None:
            return DnsNotReady(message=obstacle)
        ca_order = await account.settled(ca_order, patience_seconds=PATIENCE_SECONDS, deadline=run.deadline)
    match ca_order.status:
        case OrderStatus.READY | OrderStatus.PROCESSING | OrderStatus.VALID:
            run.ca_order = ca_order
            return Advance(trigger=Trigger.AUTHORIZED)
        case OrderStatus.INVALID:
            return await why_invalid(run, account, ca_order)
        case OrderStatus.PENDING | OrderStatus.UNKNOWN:
            return CaStillWorking(retry_after_seconds=ca_order.retry_after_seconds)


async def why_invalid(run: Run, account: AcmeAccount, ca_order: CaOrder) -> TryFailed:
    """Return why the CA gave up *ca_order*: what it says about the names, else what it says about the order."""
    authorizations = [await account.authorization(url, deadline=run.deadline) for url in run.order.authorization_urls]
    problem = next((each.error for each in authorizations if each.error is not None), ca_order.error)
    return TryFailed(verdict=classify.verdict_on_order(ca_order, authorizations), problem=problem)


async def _answer_challenges(run: Run, account: AcmeAccount, challenge: Challenge) -> str | None:
    """Ask the CA to look at each name that it has not looked at; return what prevents that, if anything."""
    for url in run.order.authorization_urls:
        authorization = await account.authorization(url, deadline=run.deadline)
        offered = authorization.challenge(challenge.kind)
        if authorization.status is not AuthorizationStatus.PENDING:
            continue
        if offered is None:
            return f"the CA offers no {challenge.kind.upper()} challenge for {authorization.name}"
        if offered.status is not ChallengeStatus.PENDING:
            continue  # the run that this one takes over from asked before it died
        obstacle = await challenge.obstacle(run, account, offered)
        if obstacle is not None:
            return obstacle
        await account.answer(offered.url, deadline=run.deadline)
    return None
