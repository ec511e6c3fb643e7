"""What becomes of an order when its run cannot go on: when it is tried again, and what people are told.

Every wait stands in the order's row, never in memory. Each of these gives up the lease and ends the run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from services.provisioner.metrics import FINISHED_ORDERS, TROUBLES
from services.provisioner.rules import retry_delays
from services.provisioner.rules.acme import Problem
from services.provisioner.rules.ca_errors.verdict import Change, ErrorCode, Pace, Remedy, Scope, Verdict
from services.provisioner.rules.orders import Order, Trigger, Trouble, advance, without_ca_order
from services.provisioner.run import Run
from services.provisioner.store import budgets, events, orders
from shared.errors import ServiceError
from shared.events import CertificateFailed
from shared.registry.order_states import OrderState
from shared.store import Connection, Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_QUICK_SECONDS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # the network
_STEADY_SECONDS: Final = (5.0, 20.0, 60.0, 300.0, 1800.0)  # the CA's own trouble
_REST_SECONDS: Final = 3.0  # between looks at an order that the CA still works on


class TryFailedError(ServiceError):
    """This order at the CA came to nothing; *verdict* says why, and what helps. *problem* is what the CA said."""

    def __init__(self, verdict: Verdict, problem: Problem | None = None) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict
        self.problem = problem


class NameTakenError(ServiceError):
    """A name that was free when it was looked at has a holder now."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was registered by another tenant a moment ago")


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """Ends runs that cannot go on."""

    pool: Pool
    slow_seconds: Sequence[float]
    dns_poll_seconds: float
    dice: retry_delays.Dice
    clock: Callable[[], datetime]

    async def waits_for_dns(self, run: Run, message: str) -> bool:
        """Let the order wait for its domain's DNS, as *message* asks its owner; return False, the run is over."""
        order = run.order
        moved = advance(order, Trigger.DNS_NOT_READY) if order.state in _BEFORE_THE_KEY else order
        trouble = Trouble(error_code=ErrorCode.DNS_ERROR, message=message)
        wait = retry_delays.after_check(order.checks + 1, first=self.dns_poll_seconds, dice=self.dice)
        after = replace(moved, checks=order.checks + 1, failing_since=order.failing_since or self.clock())
        # Told once, not at each look.
        await self._end(order, self._given_up(after), wait=wait, trouble=trouble, told=order.checks == 0)
        return False

    async def needs_human(self, run: Run, trouble: Trouble) -> bool:
        """End the order until somebody acts; return False, the run is over."""
        after = advance(run.order, Trigger.HUMAN_NEEDED)
        await self._end(run.order, after, wait=timedelta(), trouble=trouble, told=True)
        return False

    async def rests(self, run: Run, retry_after_seconds: float | None) -> bool:
        """Let the order be while the CA works on it; nothing has failed. Return False, the run is over."""
        order = replace(run.order, checks=run.order.checks + 1)
        own = retry_delays.after_check(order.checks, first=_REST_SECONDS, dice=self.dice)
        wait = max(own, timedelta(seconds=retry_after_seconds or 0))
        async with self.pool.transaction() as connection:
            await orders.release(connection, run.order, order, wait=wait)
        return False

    async def out_of_budget(self, run: Run, error: budgets.BudgetExhaustedError) -> None:
        """Let the order wait until the CA's limits allow it."""
        at = (self.clock() + error.wait).astimezone(UTC)
        trouble = Trouble(
            error_code=ErrorCode.RATE_LIMITED,
            message=f"{error}; {run.order.name} can be ordered at {at:%Y-%m-%d %H:%M} UTC, and nobody needs to act",
        )
        jitter = timedelta(seconds=min(60.0, error.wait.total_seconds()) * self.dice())
        await self._end(run.order, run.order, wait=error.wait + jitter, trouble=trouble, told=False)

    async def try_failed(self, run: Run, verdict: Verdict, problem: Problem | None = None) -> None:
        """Do with the order what *verdict* says helps."""
        after = self._given_up(_after(run.order, verdict, now=self.clock()))
        trouble = Trouble(error_code=verdict.error_code, message=verdict.message, problem=problem)
        wait = self._wait(after, verdict)
        async with self.pool.transaction() as connection:
            await self._slow_others_down(connection, run.order, verdict)
            await self._release(connection, run.order, after, wait=wait, trouble=trouble, told=verdict.counts)

    def _wait(self, after: Order, verdict: Verdict) -> timedelta:
        asked = verdict.retry_after_seconds
        if not _is_try(verdict):
            own = retry_delays.after_check(after.checks, first=_QUICK_SECONDS[0], dice=self.dice)
            return max(own, timedelta(seconds=asked or 0))
        ladders = {Pace.QUICK: _QUICK_SECONDS, Pace.STEADY: _STEADY_SECONDS, Pace.SLOW: self.slow_seconds}
        ladder = ladders[verdict.pace]
        return retry_delays.after_failure(after.attempt, ladder=ladder, retry_after=asked, dice=self.dice)

    async def _slow_others_down(self, connection: Connection, order: Order, verdict: Verdict) -> None:
        """Close the bucket of whatever the CA says is used up, so that other orders do not ask in vain."""
        asked = verdict.retry_after_seconds
        if asked is None or order.account_id is None or verdict.scope is Scope.ORDER:
            return
        if verdict.scope is Scope.REGISTERED_DOMAIN:
            limit = budgets.of_registered_domain(order.ca, order.name)
        else:
            limit = budgets.of_account(order.ca, order.account_id)
        await budgets.close(connection, limit, for_=timedelta(seconds=asked))

    def _given_up(self, after: Order) -> Order:
        """Return *after*, or parked when it has failed for so long that only a new request should wake it."""
        since = after.failing_since
        if since is None or after.state is OrderState.FAILED or self.clock() - since < retry_delays.PARKED_AFTER:
            return after
        return advance(after, Trigger.GIVEN_UP)

    async def _end(self, before: Order, after: Order, *, wait: timedelta, trouble: Trouble, told: bool) -> None:
        async with self.pool.transaction() as connection:
            await self._release(connection, before, after, wait=wait, trouble=trouble, told=told)

    async def _release(
        self, connection: Connection, before: Order, after: Order, *, wait: timedelta, trouble: Trouble, told: bool
    ) -> None:
        due = await orders.release(connection, before, after, wait=wait, trouble=trouble)
        ended = after.state in (OrderState.FAILED, OrderState.PARKED)
        TROUBLES.labels(trouble.error_code).inc()
        if ended:
            FINISHED_ORDERS.labels(after.state).inc()
        log.info(
            "order_waits" if not ended else "order_ended",
            order_id=before.id,
            domain=before.name,
            state=after.state,
            error_code=trouble.error_code,
            reason=trouble.message,
            seconds=round(wait.total_seconds(), 1),
        )
        if told or ended:
            failed = CertificateFailed(
                domain=before.name,
                error_code=trouble.error_code,
                message=trouble.message,
                attempt=after.attempt,
                retries_at=None if ended else due,
            )
            await events.publish(connection, failed, cause=before.cause)


_BEFORE_THE_KEY: Final = (OrderState.QUEUED, OrderState.WAITING_DNS)


def _is_try(verdict: Verdict) -> bool:
    """Say whether waits must grow: it counts, or it costs another order at the CA, of which there are few."""
    return verdict.counts or verdict.remedy is Remedy.FRESH_ORDER


def _after(order: Order, verdict: Verdict, *, now: datetime) -> Order:
    """Return *order* as it stands after a try that ended with *verdict*; pure."""
    counted = replace(
        order,
        attempt=order.attempt + _is_try(verdict),
        checks=order.checks + 1,
        failing_since=order.failing_since or (now if _is_try(verdict) else None),
    )
    match verdict.change:
        case Change.WITHOUT_PROFILE:
            counted = replace(counted, profile=None)
        case Change.NEW_KEY:
            counted = replace(counted, key_id=None, csr=None)
        case Change.WITHOUT_REPLACES | Change.REGISTER_AGAIN | None:
            pass
    match verdict.remedy:
        case Remedy.NEVER:
            return advance(counted, Trigger.HUMAN_NEEDED)
        case Remedy.FRESH_ORDER | Remedy.AFTER_USER:
            return without_ca_order(advance(counted, Trigger.TRY_FAILED, checks=0))
        case Remedy.DONE | Remedy.RETRY_NOW | Remedy.REREAD | Remedy.RETRY_LATER | Remedy.OPERATOR:
            # What the operator mends is not the order's fault: it goes on from where it stands.
            return counted
