"""From a due order to a stored certificate: one step for each state.

A step does what its state asks for, commits the next state, and says whether the run goes on. What it learns from the
CA it keeps in the run; a run that took an order over knows nothing and asks the CA, whose word is the truth. No
transaction is open while the CA, the DNS or anybody else is asked.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.provisioner import csr
from services.provisioner.http01 import answer_challenges
from services.provisioner.metrics import FINISHED_ORDERS, ISSUANCE_SECONDS
from services.provisioner.ports import AcmeAccount, Dns, Http01Probe
from services.provisioner.rules import preflight
from services.provisioner.rules.acme import CaOrder, OrderStatus
from services.provisioner.rules.ca_errors import classify
from services.provisioner.rules.ca_errors.verdict import ErrorCode, Pace, Remedy, Verdict
from services.provisioner.rules.orders import Order, Trigger, Trouble, advance
from services.provisioner.run import Run
from services.provisioner.setbacks import NameTakenError, Troubles, TryFailedError
from services.provisioner.store import budgets, events, orders
from services.provisioner.store.accounts import Accounts
from services.provisioner.store.issued import store_certificate
from shared import certificates as x509_facts
from shared.identifiers import cname_label, new_key_id
from shared.names import is_wildcard
from shared.registry import certificates, domains
from shared.registry.order_states import OrderState
from shared.store import Connection, Pool
from shared.vault import KeyWriter, SealedKey

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_PATIENCE_SECONDS: Final = 20.0  # how long a run waits for the CA before it lets the order rest and takes another
_CHALLENGE_LIFE: Final = timedelta(days=7)  # as long as a pending order lives at Let's Encrypt
_WILDCARD: Final = Trouble(
    error_code="CHALLENGE_ERROR",
    message="a wildcard is validated by DNS-01 (RFC 8555 section 8.4), which this release does not do; "
    "host its names one by one",
)
_WRONG_KEY: Final = Verdict(
    remedy=Remedy.FRESH_ORDER,
    error_code=ErrorCode.AUTHORITY_ERROR,
    message="the CA's certificate is for another key than the one asked for; a new order is made",
    pace=Pace.STEADY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often the CA may be asked, and how long an order stays in one worker's hands."""

    lease: timedelta
    margin_seconds: float
    new_orders_per_3_hours: int
    certificates_per_week: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """The steps. `step` is the only entrance."""

    pool: Pool
    accounts: Accounts
    dns: Dns
    probe: Http01Probe | None
    keys: KeyWriter
    platform: preflight.Platform
    limits: Limits
    troubles: Troubles
    clock: Callable[[], datetime]

    async def step(self, run: Run) -> bool:
        """Do what the order's state asks for; return True when the run goes on in the next state.

        Raises:
            AuthorityError, TryFailedError: the try failed; nothing of this step was committed.
            BudgetExhaustedError: the CA's limits do not allow it now.
            LostLeaseError: the order is in other hands, or cancelled.
        """
        steps = {
            OrderState.QUEUED: self._prepare,
            OrderState.WAITING_DNS: self._prepare,
            OrderState.KEYED: self._intend,
            OrderState.ORDERING: self._create_order,
            OrderState.ORDERED: self._publish_challenges,
            OrderState.VALIDATING: self._validate,
            OrderState.FINALIZING: self._finalize,
        }
        return await steps[run.order.state](run)

    # queued, waiting_dns ─▶ keyed

    async def _prepare(self, run: Run) -> bool:
        """Look whether the name points here; if so, store its key and its request before any CA hears of it."""
        order = run.order
        if is_wildcard(order.name):
            return await self.troubles.needs_human(run, _WILDCARD)
        async with self.pool.acquire() as connection:
            domain = await domains.get(connection, order.domain_id)
            is_free = not domain.holds_name and await domains.holder_of(connection, domain.name) is None
        pointing = await self._pointing(run, may_have_name=domain.holds_name or is_free)
        if not pointing.points_here:
            return await self.troubles.waits_for_dns(run, pointing.message)
        after = advance(order, Trigger.KEY_STORED, checks=0)
        sealed = None
        if order.csr is None:  # else a try failed, and its key was never certified
            sealed, request = await self._make_key(order)
            after = replace(after, key_id=sealed.key_id, csr=request)
        try:
            async with self._arrow(run, after) as connection:
                if not domain.holds_name:
                    await self._transfer_name(connection, order, is_proven=pointing.by_own_target)
                if sealed is not None:
                    await certificates.insert_key(connection, sealed, tenant=order.tenant)
        except NameTakenError:
            return await self.troubles.rests(run, None)
        return True

    async def _make_key(self, order: Order) -> tuple[SealedKey, bytes]:
        """Return a fresh key, sealed, and the CSR that it signed."""
        if order.key_type == "rsa":  # takes a second of CPU; other orders go on meanwhile
            made = await asyncio.to_thread(csr.make, order.names, key_type="rsa")
        else:
            made = csr.make(order.names, key_type=order.key_type)
        sealed = self.keys.seal(
            key_id=new_key_id(),
            tenant=order.tenant,
            private_key_pkcs8=made.private_key,
            public_key_spki=made.public_key,
        )
        return sealed, made.request

    async def _transfer_name(self, connection: Connection, order: Order, *, is_proven: bool) -> None:
        """Let the name go to this registration, from a holder by proof only, and tell it of all that changed."""
        changed = await domains.transfer_name(connection, order.domain_id, from_holder=is_proven)
        if not changed:
            raise NameTakenError(order.name)
        for each in changed:
            await events.publish_changed(connection, each, cause=order.cause)

    async def _pointing(self, run: Run, *, may_have_name: bool) -> preflight.Pointing:
        if preflight.expects_nothing(self.platform) and may_have_name:
            return preflight.Pointing(points_here=True)
        run.dns_answer = await self.dns.resolve(run.order.name)
        label = cname_label(run.order.domain_id)
        return preflight.judge(run.dns_answer, target_label=label, platform=self.platform, may_have_name=may_have_name)

    # keyed ─▶ ordering

    async def _intend(self, run: Run) -> bool:
        """Take from the CA's budget, and write down that the CA is about to be asked."""
        order = run.order
        account_id, run.authority = await self.accounts.at(order.ca, deadline=run.deadline)
        async with self._arrow(run, advance(order, Trigger.ORDER_INTENDED, account_id=account_id)) as connection:
            await budgets.take(connection, self._budget(order, account_id))
        run.intended = True
        return True

    def _budget(self, order: Order, account_id: str) -> tuple[budgets.Limit, ...]:
        allowed = self.limits
        return (
            budgets.of_account(order.ca, account_id, new_orders_per_3_hours=allowed.new_orders_per_3_hours),
            budgets.of_registered_domain(order.ca, order.name, certificates_per_week=allowed.certificates_per_week),
        )

    # ordering ─▶ ordered

    async def _create_order(self, run: Run) -> bool:
        """Create the order at the CA, or find the one whose creation was answered to a process that died."""
        order, authority = run.order, await self._authority(run)
        ca_order = None if run.intended else await self._unclaimed_order(run, authority)
        run.intended = False
        if ca_order is None:
            ca_order = await authority.new_order(order.names, profile=order.profile, deadline=run.deadline)
        after = advance(
            order,
            Trigger.ORDER_CREATED,
            order_url=ca_order.url,
            finalize_url=ca_order.finalize_url,
            authorization_urls=ca_order.authorization_urls,
            order_expires_at=ca_order.expires_at,
        )
        await self._advance(run, after)
        run.ca_order = ca_order
        return True

    async def _unclaimed_order(self, run: Run, authority: AcmeAccount) -> CaOrder | None:
        """Return an order for these names that the CA has and that no row of ours names."""
        found = await authority.unfinished_orders(run.order.names, known=self._known_urls, deadline=run.deadline)
        return next(iter(found), None)

    async def _known_urls(self, urls: Sequence[str]) -> frozenset[str]:
        async with self.pool.acquire() as connection:
            return await orders.known_urls(connection, urls)

    # ordered ─▶ validating

    async def _publish_challenges(self, run: Run) -> bool:
        """Let every terminator answer for the name, before the CA is told to look."""
        order, authority = run.order, await self._authority(run)
        answer = orders.Answer(
            thumbprint=authority.thumbprint, expires_at=order.order_expires_at or self.clock() + _CHALLENGE_LIFE
        )
        await self._advance(run, advance(order, Trigger.CHALLENGES_PUBLISHED), answer=answer)
        return True

    # validating ─▶ finalizing

    async def _validate(self, run: Run) -> bool:
        """Look at our own answers from outside, tell the CA to look, and wait for its judgement."""
        authority = await self._authority(run)
        ca_order = await self._ca_order(run, authority)
        if ca_order.status is OrderStatus.PENDING:
            obstacle = await answer_challenges(run, authority, probe=self.probe)
            if obstacle is not None:
                return await self.troubles.waits_for_dns(run, obstacle)
            ca_order = await authority.settled(ca_order, patience_seconds=_PATIENCE_SECONDS, deadline=run.deadline)
        match ca_order.status:
            case OrderStatus.READY | OrderStatus.PROCESSING | OrderStatus.VALID:
                await self._advance(run, advance(run.order, Trigger.AUTHORIZED))
                run.ca_order = ca_order
                return True
            case OrderStatus.INVALID:
                raise await self._invalid(run, authority, ca_order)
            case OrderStatus.PENDING | OrderStatus.UNKNOWN:
                return await self.troubles.rests(run, ca_order.retry_after_seconds)

    async def _invalid(self, run: Run, authority: AcmeAccount, ca_order: CaOrder) -> TryFailedError:
        """Return why the CA will not go on with this order: what it says of its names, else of the order."""
        authorizations = [
            await authority.authorization(url, deadline=run.deadline) for url in run.order.authorization_urls
        ]
        problem = next((each.error for each in authorizations if each.error is not None), ca_order.error)
        return TryFailedError(classify.verdict_on_order(ca_order, authorizations), problem)

    # finalizing ─▶ issued

    async def _finalize(self, run: Run) -> bool:
        """Send the stored request, fetch the chain, and store it together with the news of it."""
        order, authority = run.order, await self._authority(run)
        assert order.csr is not None  # stored on entering `keyed`
        ca_order = await self._ca_order(run, authority)
        if ca_order.status is OrderStatus.READY:
            ca_order = await authority.finalize(ca_order, order.csr, deadline=run.deadline)
        if ca_order.status in (OrderStatus.PROCESSING, OrderStatus.READY):
            ca_order = await authority.settled(ca_order, patience_seconds=_PATIENCE_SECONDS, deadline=run.deadline)
        if ca_order.status is OrderStatus.INVALID:
            raise await self._invalid(run, authority, ca_order)
        if ca_order.status is not OrderStatus.VALID or ca_order.certificate_url is None:
            return await self.troubles.rests(run, ca_order.retry_after_seconds)
        chain = await authority.certificate(ca_order.certificate_url, deadline=run.deadline)
        facts = x509_facts.parse(chain[0])
        if facts.public_key_spki != csr.public_key_of(order.csr):
            raise TryFailedError(_WRONG_KEY)
        after = advance(order, Trigger.CERTIFICATE_STORED, attempt=0, failing_since=None)
        certificate_id = await store_certificate(self.pool, order, after, chain=chain, facts=facts)
        log.info("order_issued", order_id=order.id, domain=order.name, certificate_id=certificate_id)
        FINISHED_ORDERS.labels(after.state).inc()
        if order.created_at is not None:
            ISSUANCE_SECONDS.observe((self.clock() - order.created_at).total_seconds())
        return False

    async def _authority(self, run: Run) -> AcmeAccount:
        if run.authority is None:
            _, run.authority = await self.accounts.at(run.order.ca, deadline=run.deadline)
        return run.authority

    async def _ca_order(self, run: Run, authority: AcmeAccount) -> CaOrder:
        """Return the order as this run last saw it; a run that took it over asks the CA."""
        if run.ca_order is None:
            assert run.order.order_url is not None  # stored on entering `ordered`
            run.ca_order = await authority.order(run.order.order_url, deadline=run.deadline)
        return run.ca_order

    async def _advance(self, run: Run, after: Order, *, answer: orders.Answer | None = None) -> None:
        """Commit *after*, with what terminators are to answer, extend the lease, and go on with *after*."""
        async with self._going_on(run, after), self.pool.acquire() as connection:
            await orders.keep(connection, run.order, after, lease=self.limits.lease, answer=answer)

    @asynccontextmanager
    async def _arrow(self, run: Run, after: Order) -> AsyncIterator[Connection]:
        """Commit *after* together with what the block writes, extend the lease, and go on with *after*."""
        async with self._going_on(run, after), self.pool.transaction() as connection:
            yield connection
            await orders.keep(connection, run.order, after, lease=self.limits.lease)

    @asynccontextmanager
    async def _going_on(self, run: Run, after: Order) -> AsyncIterator[None]:
        started = asyncio.get_running_loop().time()  # before the lease is extended, so that ours ends first
        yield
        log.debug("order_advanced", order_id=after.id, domain=after.name, state=after.state)
        run.order = after
        run.deadline = started + self.limits.lease.total_seconds() - self.limits.margin_seconds
