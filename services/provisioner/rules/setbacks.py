"""Decides how to release an order that cannot continue: its next state, its wait, and the event that is published.

Pure: clock and dice are arguments. Every wait is written to the order's row, so a restart loses none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from services.provisioner.rules import retry_delays
from services.provisioner.rules.acme import Problem
from services.provisioner.rules.budgets import Allowances, Limit
from services.provisioner.rules.ca_errors.verdict import Change, Pace, Remedy, Scope, Verdict
from services.provisioner.rules.orders import Order, Trigger, Trouble, advance, without_ca_order
from shared.events import ErrorCode, OrderState

_QUICK_SECONDS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # the network
_STEADY_SECONDS: Final = (5.0, 20.0, 60.0, 300.0, 1800.0)  # the CA's own trouble
_LOOK_AGAIN_SECONDS: Final = 3.0  # between looks at an order that the CA still works on
_BUG: Final = Verdict(
    remedy=Remedy.RETRY_LATER,
    error_code=ErrorCode.INTERNAL_ERROR,
    message="an error of this program stopped the order; the operator finds it in the provisioner's log, and "
    "it is tried again",
    pace=Pace.STEADY,
)
_BEFORE_THE_KEY: Final = (OrderState.QUEUED, OrderState.WAITING_DNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """An order as it is released: *after*, due again after *wait*.

    *trouble* says what failed; None if nothing did. With *is_published* it is published as `certificate.failed`.
    *closes* is the CA's limit that is used up for all orders, for *closed_for*.
    """

    after: Order
    wait: timedelta
    trouble: Trouble | None = None
    is_published: bool = False
    closes: Limit | None = None
    closed_for: timedelta = timedelta()

    @property
    def is_final(self) -> bool:
        """Whether the order ended, until somebody acts."""
        return self.after.state in (OrderState.FAILED, OrderState.PARKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setbacks:
    """Decides how to release orders that cannot continue."""

    slow_seconds: Sequence[float]
    dns_poll_seconds: float
    allowances: Allowances = field(default_factory=Allowances)
    dice: retry_delays.Dice
    clock: Callable[[], datetime]

    def dns_not_ready(self, order: Order, message: str) -> Setback:
        """Return *order* waiting for its domain's DNS, whose owner must do what *message* asks."""
        moved = advance(order, Trigger.DNS_NOT_READY) if order.state in _BEFORE_THE_KEY else order
        after = replace(moved, checks=order.checks + 1, failing_since=order.failing_since or self.clock())
        return self._setback(
            after,
            wait=retry_delays.after_check(after.checks, first=self.dns_poll_seconds, dice=self.dice),
            trouble=Trouble(error_code=ErrorCode.DNS_ERROR, message=message),
            is_published=order.checks == 0,  # at the first look only
        )

    def human_needed(self, order: Order, trouble: Trouble) -> Setback:
        """Return *order* ended until somebody acts on *trouble*."""
        return self._setback(advance(order, Trigger.HUMAN_NEEDED), wait=timedelta(), trouble=trouble)

    def look_again(self, order: Order, retry_after_seconds: float | None = None) -> Setback:
        """Return *order* waiting a few seconds, at least *retry_after_seconds*; nothing has failed."""
        after = replace(order, checks=order.checks + 1)
        own = retry_delays.after_check(after.checks, first=_LOOK_AGAIN_SECONDS, dice=self.dice)
        return Setback(after=after, wait=max(own, timedelta(seconds=retry_after_seconds or 0)))

    def budget_exhausted(self, order: Order, reason: str, wait: timedelta) -> Setback:
        """Return *order* waiting until the CA's limit named by *reason* allows it, which is after *wait*."""
        at = (self.clock() + wait).astimezone(UTC)
        trouble = Trouble(
            error_code=ErrorCode.RATE_LIMITED,
            message=f"{reason}; {order.name} can be ordered at {at:%Y-%m-%d %H:%M} UTC, and no action is needed",
        )
        jitter = timedelta(seconds=min(60.0, wait.total_seconds()) * self.dice())
        return Setback(after=order, wait=wait + jitter, trouble=trouble)

    def stopped_by_a_bug(self, order: Order) -> Setback:
        """Return *order* waiting after an error of this program."""
        return self.try_failed(order, _BUG)

    def try_failed(self, order: Order, verdict: Verdict, problem: Problem | None = None) -> Setback:
        """Return *order* released as *verdict* says helps; *problem* is what the CA said."""
        after = _after_try(order, verdict, now=self.clock())
        closes = self._closed_limit(order, verdict)
        return replace(
            self._setback(
                after,
                wait=self._wait(after, verdict),
                trouble=Trouble(error_code=verdict.error_code, message=verdict.message, problem=problem),
                is_published=verdict.counts,
            ),
            closes=closes,
            closed_for=timedelta(seconds=verdict.retry_after_seconds or 0),
        )

    def _setback(self, after: Order, *, wait: timedelta, trouble: Trouble, is_published: bool = False) -> Setback:
        """Return the setback; parked when it has failed for so long that only a new request should wake it."""
        since = after.failing_since
        if (
            after.state is not OrderState.FAILED
            and since is not None
            and self.clock() - since >= retry_delays.PARKED_AFTER
        ):
            after = advance(after, Trigger.GIVEN_UP)
        setback = Setback(after=after, wait=wait, trouble=trouble, is_published=is_published)
        return replace(setback, is_published=is_published or setback.is_final)

    def _wait(self, after: Order, verdict: Verdict) -> timedelta:
        asked = verdict.retry_after_seconds
        if not verdict.is_failed_try:
            own = retry_delays.after_check(after.checks, first=_QUICK_SECONDS[0], dice=self.dice)
            return max(own, timedelta(seconds=asked or 0))
        ladders = {Pace.QUICK: _QUICK_SECONDS, Pace.STEADY: _STEADY_SECONDS, Pace.SLOW: self.slow_seconds}
        ladder = ladders[verdict.pace]
        return retry_delays.after_failure(after.attempt, ladder=ladder, retry_after=asked, dice=self.dice)

    def _closed_limit(self, order: Order, verdict: Verdict) -> Limit | None:
        """Return the limit that the CA says is used up, so that other orders do not ask in vain."""
        if verdict.retry_after_seconds is None or order.account_id is None or verdict.scope is Scope.ORDER:
            return None
        if verdict.scope is Scope.REGISTERED_DOMAIN:
            return self.allowances.of_registered_domain(order.ca, order.name)
        return self.allowances.of_account(order.ca, order.account_id)


def _after_try(order: Order, verdict: Verdict, *, now: datetime) -> Order:
    """Return *order* as it stands after a try that ended with *verdict*."""
    counted = replace(
        order,
        attempt=order.attempt + verdict.is_failed_try,
        checks=order.checks + 1,
        failing_since=order.failing_since or (now if verdict.is_failed_try else None),
    )
    match verdict.change:
        case Change.WITHOUT_PROFILE:
            counted = replace(counted, profile=None)
        case Change.NEW_KEY:
            counted = replace(counted, key_id=None, csr=None)
        case Change.WITHOUT_REPLACES | Change.REGISTER_AGAIN | None:
            pass
    match verdict.trigger:
        case None:
            return counted
        case Trigger.TRY_FAILED:
            return without_ca_order(advance(counted, Trigger.TRY_FAILED, checks=0))
        case trigger:
            return advance(counted, trigger)
