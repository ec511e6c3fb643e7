"""Runs the steps of an order: calls the step that its state asks for, and commits what the step returns.

Rules:
* A step opens no transaction, so none is open while the CA, the DNS or anything else is asked.
* Each result of a step is one transaction of the runner: the order's new state together with everything that belongs to
  it. It is committed before the next step begins.
* The `Run` keeps what was learned from the CA. A run that took an order over knows nothing and asks the CA, whose
  status of the order is the truth.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from services.provisioner.metrics import FINISHED_ORDERS, ISSUANCE_SECONDS, TROUBLES
from services.provisioner.ports import AcmeAccount, Dns, Registrations
from services.provisioner.rules.acme import AuthorityError
from services.provisioner.rules.budgets import Allowances
from services.provisioner.rules.ca_errors import classify
from services.provisioner.rules.ca_errors.verdict import Change
from services.provisioner.rules.orders import Order, Trigger, advance
from services.provisioner.rules.preflight import Platform
from services.provisioner.rules.setbacks import Setback, Setbacks
from services.provisioner.steps.create_order import create_order, intend
from services.provisioner.steps.finalize import finalize
from services.provisioner.steps.prepare import prepare
from services.provisioner.steps.results import (
    Advance,
    CaStillWorking,
    DnsNotReady,
    HumanNeeded,
    Issued,
    NameClaim,
    StepResult,
    TryFailed,
)
from services.provisioner.steps.run import Run
from services.provisioner.steps.validate import Challenge, publish, validate
from services.provisioner.store import budgets, events, orders
from services.provisioner.store.accounts import Accounts
from services.provisioner.store.budgets import BudgetExhaustedError
from services.provisioner.store.issued import store_certificate
from shared.errors import IllegalTransitionError, TransientError
from shared.events import CertificateFailed, OrderState
from shared.registry import certificates, domains
from shared.store import Connection, Pool
from shared.vault import KeyWriter

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class NameTakenError(TransientError):
    """A name that was free when the step checked was given to another domain since."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was registered by another tenant a moment ago")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """How long a run may hold its order, and how long before that end the CA must have answered."""

    length: timedelta
    margin_seconds: float

    def deadline(self, started: float) -> float:
        """Return the time by which the CA must have answered, if the lease was requested at *started* (loop time)."""
        return started + self.length.total_seconds() - self.margin_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs orders, one step at a time."""

    pool: Pool
    accounts: Accounts
    registrations: Registrations
    dns: Dns
    challenge: Challenge
    keys: KeyWriter
    platform: Platform
    allowances: Allowances
    lease: Lease
    setbacks: Setbacks
    clock: Callable[[], datetime]

    async def step(self, run: Run) -> bool:
        """Do the step that the order's state asks for; return True if the run continues in the next state.

        Otherwise the order is issued or released, and the run is over.

        Raises:
            LostLeaseError: the lease expired, or the order was cancelled; nothing of this step was committed.
            StoreUnavailableError: PostgreSQL does not answer.
        """
        try:
            return await self._commit(run, await self._call(run))
        except NameTakenError:
            await self._release(run, self.setbacks.look_again(run.order))
        except BudgetExhaustedError as error:
            await self._release(run, self.setbacks.budget_exhausted(run.order, str(error), error.wait))
        except AuthorityError as error:
            verdict = classify.verdict(error, name=run.order.name)
            if verdict.change is Change.REGISTER_AGAIN:
                self.accounts.forget(run.order.ca)
            await self._release(run, self.setbacks.try_failed(run.order, verdict, error.problem))
        return False

    async def release_after_bug(self, run: Run) -> None:
        """Release the order after an unexpected error of this program; it is tried again later."""
        await self._release(run, self.setbacks.stopped_by_a_bug(run.order))

    async def _call(self, run: Run) -> StepResult:
        match run.order.state:
            case OrderState.QUEUED | OrderState.WAITING_DNS:
                return await prepare(
                    run, registrations=self.registrations, dns=self.dns, keys=self.keys, platform=self.platform
                )
            case OrderState.KEYED:
                account_id, _ = await self.accounts.at(run.order.ca, deadline=run.deadline)
                return intend(run, account_id, self.allowances)
            case OrderState.ORDERING:
                return await create_order(run, await self._account(run), known=self._known_urls)
            case OrderState.ORDERED:
                return await publish(run, await self._account(run), self.challenge, now=self.clock())
            case OrderState.VALIDATING:
                return await validate(run, await self._account(run), self.challenge)
            case OrderState.FINALIZING:
                return await finalize(run, await self._account(run))
            case OrderState.ISSUED | OrderState.FAILED | OrderState.PARKED | OrderState.CANCELLED:
                raise IllegalTransitionError(f"order {run.order.id} is {run.order.state}; it has no next step")

    async def _account(self, run: Run) -> AcmeAccount:
        _, account = await self.accounts.at(run.order.ca, deadline=run.deadline)
        return account

    async def _known_urls(self, urls: Sequence[str]) -> frozenset[str]:
        async with self.pool.acquire() as connection:
            return await orders.known_urls(connection, urls)

    async def _commit(self, run: Run, result: StepResult) -> bool:
        match result:
            case Advance():
                await self._advance(run, result)
                return True
            case Issued():
                await self._close(run, result)
            case DnsNotReady():
                await self._release(run, self.setbacks.dns_not_ready(run.order, result.message))
            case CaStillWorking():
                await self._release(run, self.setbacks.look_again(run.order, result.retry_after_seconds))
            case HumanNeeded():
                await self._release(run, self.setbacks.human_needed(run.order, result.trouble))
            case TryFailed():
                await self._release(run, self.setbacks.try_failed(run.order, result.verdict, result.problem))
            case _:
                assert_never(result)
        return False

    async def _advance(self, run: Run, step: Advance) -> None:
        """Commit the order's next state with everything that belongs to it, and extend the lease."""
        after = advance(run.order, step.trigger, **step.changes)
        started = asyncio.get_running_loop().time()  # before the lease is extended, so that ours ends first
        async with self._connection_for(step) as connection:
            if step.name_claim is not None:
                await _claim_name(connection, run.order, step.name_claim)
            if step.key is not None:
                await certificates.insert_key(connection, step.key, tenant=run.order.tenant)
            if step.draws:
                await budgets.take(connection, step.draws)
            await orders.keep(connection, run.order, after, lease=self.lease.length, answers=step.answers)
        log.debug("order_advanced", order_id=after.id, domain=after.name, state=after.state)
        run.order = after
        run.deadline = self.lease.deadline(started)

    @asynccontextmanager
    async def _connection_for(self, step: Advance) -> AsyncIterator[Connection]:
        """Yield a connection, in a transaction if the step writes more than the order with its answers."""
        if step.name_claim is None and step.key is None and not step.draws:
            async with self.pool.acquire() as connection:  # one statement is a transaction by itself
                yield connection
        else:
            async with self.pool.transaction() as connection:
                yield connection

    async def _close(self, run: Run, issued: Issued) -> None:
        order = run.order
        after = advance(order, Trigger.CERTIFICATE_STORED, attempt=0, failing_since=None)
        async with self.pool.transaction() as connection:
            certificate_id = await store_certificate(connection, order, after, chain=issued.chain, facts=issued.facts)
        log.info("order_issued", order_id=order.id, domain=order.name, certificate_id=certificate_id)
        FINISHED_ORDERS.labels(after.state).inc()
        if order.created_at is not None:
            ISSUANCE_SECONDS.observe((self.clock() - order.created_at).total_seconds())

    async def _release(self, run: Run, setback: Setback) -> None:
        """Give up the lease as *setback* says, with the event that it publishes, if any."""
        async with self.pool.transaction() as connection:
            if setback.closes is not None:
                await budgets.close(connection, setback.closes, for_=setback.closed_for)
            due = await orders.release(connection, run.order, setback.after, wait=setback.wait, trouble=setback.trouble)
            if setback.trouble is not None and setback.is_published:
                failed = CertificateFailed(
                    domain=run.order.name,
                    error_code=setback.trouble.error_code,
                    message=setback.trouble.message,
                    attempt=setback.after.attempt,
                    retries_at=None if setback.is_final else due,
                )
                await events.publish(connection, failed, cause=run.order.cause)
        _report(run.order, setback)


async def _claim_name(connection: Connection, order: Order, claim: NameClaim) -> None:
    """Let the order's domain hold its name, and publish every domain that this changed."""
    changed = await domains.transfer_name(connection, order.domain_id, from_holder=claim.is_proof)
    if not changed:
        raise NameTakenError(order.name)
    for each in changed:
        await events.publish_changed(connection, each, cause=order.cause)


def _report(order: Order, setback: Setback) -> None:
    if setback.trouble is None:
        return
    TROUBLES.labels(setback.trouble.error_code).inc()
    if setback.is_final:
        FINISHED_ORDERS.labels(setback.after.state).inc()
    log.info(
        "order_ended" if setback.is_final else "order_waits",
        order_id=order.id,
        domain=order.name,
        state=setback.after.state,
        error_code=setback.trouble.error_code,
        reason=setback.trouble.message,
        seconds=round(setback.wait.total_seconds(), 1),
    )
