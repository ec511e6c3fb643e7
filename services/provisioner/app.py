"""The composition root: every object of the provisioner is made and joined here, and closed in reverse."""

import asyncio
import ipaddress
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from services.provisioner.adapters.acme.certificate_authorities import open_certificate_authorities
from services.provisioner.adapters.dns import DnspythonDns
from services.provisioner.adapters.probe import open_probe
from services.provisioner.backlog import watch_backlog
from services.provisioner.handlers import Handlers
from services.provisioner.metrics import IN_HAND
from services.provisioner.ports import CertificateAuthorities, Http01Probe
from services.provisioner.rules.budgets import Allowances
from services.provisioner.rules.setbacks import Setbacks
from services.provisioner.runner import Lease, Runner
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from services.provisioner.steps.challenges.http01 import Http01
from services.provisioner.steps.run import Run
from services.provisioner.store.accounts import Accounts
from services.provisioner.store.claims import CHANNEL, Claims
from services.provisioner.store.registrations import PostgresRegistrations
from services.provisioner.worker import Worker
from shared.events import (
    CertificateRenewalRequested,
    CertificateRevocationRequested,
    DomainCreated,
    DomainDeleted,
    DomainUpdated,
)
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Subscription
from shared.messaging.outbox.dispatch import Sender
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.process.leased_work import LeasedWork
from shared.process.running import Parts, run_service
from shared.store import Pool, open_pool
from shared.store.waking import wake_on_notify
from shared.vault import AccountKeyBox, KeyFiles, KeyWriter

_CA_MARGIN_SECONDS: Final = 10.0  # before the lease expires the CA must have answered: rows are fenced, the CA is not
_POOL_SIZE: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Opens the connections to CAs and RabbitMQ; tests wrap them."""

    authorities: Callable[[str | None], AbstractAsyncContextManager[CertificateAuthorities]]
    sender: Callable[[str], AbstractAsyncContextManager[Sender]]
    consumer: Callable[[str, Pool, Sequence[Subscription]], Consumer]


OUTSIDE: Final = Outside(
    authorities=lambda trusted_ca_pem: open_certificate_authorities(trusted_ca_pem=trusted_ca_pem),
    sender=lambda url: Publisher(url, name="certsmith provisioner relay"),
    consumer=lambda url, pool, subscriptions: Consumer(url, pool, service="provisioner", subscriptions=subscriptions),
)


async def serve(
    settings: ProvisionerSettings,
    authority: AuthoritySettings,
    keys: KeyFiles,
    stop: asyncio.Event,
    *,
    outside: Outside = OUTSIDE,
) -> None:
    """Provision until *stop* is set; then finish the work in progress."""
    sealing = _Sealing(keys.key_writer("provisioner"), keys.account_key_box())
    database_url = settings.database_url.get_secret_value()
    amqp_url = settings.amqp_url.get_secret_value()

    async def compose(stack: AsyncExitStack, pool: Pool) -> Parts:
        wake = asyncio.Event()
        worker = await stack.enter_async_context(_worker(settings, authority, sealing, pool, wake, outside))
        sender = await stack.enter_async_context(outside.sender(amqp_url))
        return Parts(
            relay=Relay(database_url, pool, sender, service="provisioner"),
            consumer=outside.consumer(amqp_url, pool, _subscriptions(Handlers(ca=authority.directory_url))),
            work=(
                partial(watch_backlog, pool),
                partial(wake_on_notify, database_url, wake, role="provisioner", channel=CHANNEL),
                worker.run,
            ),
        )

    database = open_pool(database_url, role="provisioner", max_size=_POOL_SIZE)
    await run_service(settings, stop, database=database, compose=compose)


def _subscriptions(handlers: Handlers) -> tuple[Subscription, ...]:
    return (
        Subscription(DomainCreated.type, handlers.on_domain_created),
        Subscription(DomainUpdated.type, handlers.on_domain_updated),
        Subscription(DomainDeleted.type, handlers.on_domain_deleted),
        Subscription(CertificateRenewalRequested.type, handlers.on_certificate_renewal_requested),
        Subscription(CertificateRevocationRequested.type, handlers.on_certificate_revocation_requested),
    )


@asynccontextmanager
async def _worker(
    settings: ProvisionerSettings,
    authority: AuthoritySettings,
    sealing: "_Sealing",
    pool: Pool,
    wake: asyncio.Event,
    outside: Outside,
) -> AsyncIterator[LeasedWork[Run]]:
    """Yield the worker with everything it needs."""
    lease = _lease(settings)
    async with outside.authorities(authority.trusted_ca_pem) as authorities, _dns_and_probe(settings) as (dns, probe):
        accounts = Accounts(
            pool=pool,
            authorities=authorities,
            box=sealing.account_key_box,
            contact=authority.contact,
            external_account=authority.external_account,
        )
        runner = Runner(
            pool=pool,
            accounts=accounts,
            registrations=PostgresRegistrations(pool),
            dns=dns,
            challenge=Http01(probe=probe),
            keys=sealing.key_writer,
            platform=settings.platform,
            allowances=_allowances(settings),
            lease=lease,
            setbacks=_setbacks(settings),
            clock=_now,
        )
        worker = Worker(
            pool=pool,
            claims=Claims(pool=pool, holder=settings.holder, lease=lease.length),
            runner=runner,
            max_in_flight=settings.max_orders_in_flight,
            lease=lease,
        )
        yield _leased_work(worker, wake)


def _lease(settings: ProvisionerSettings) -> Lease:
    return Lease(
        length=timedelta(seconds=settings.lease_seconds),
        margin_seconds=min(_CA_MARGIN_SECONDS, settings.lease_seconds / 3),
    )


def _allowances(settings: ProvisionerSettings) -> Allowances:
    return Allowances(
        new_orders_per_3_hours=settings.new_orders_per_3_hours,
        certificates_per_week=settings.certificates_per_week,
    )


def _setbacks(settings: ProvisionerSettings) -> Setbacks:
    return Setbacks(
        slow_seconds=settings.backoff_seconds,
        dns_poll_seconds=settings.dns_poll_seconds,
        allowances=_allowances(settings),
        dice=random.random,
        clock=_now,
    )


def _leased_work(worker: Worker, wake: asyncio.Event) -> LeasedWork[Run]:
    return LeasedWork(
        work=worker,
        wake=wake,
        lease=worker.lease.length,
        # The CA may still be working on the last request: the next worker should find it finished.
        wait_after_cancel=timedelta(seconds=worker.lease.margin_seconds),
        in_hand=IN_HAND,
    )


@asynccontextmanager
async def _dns_and_probe(settings: ProvisionerSettings) -> AsyncIterator[tuple[DnspythonDns, Http01Probe | None]]:
    dns = DnspythonDns(settings.dns_servers)
    if not settings.self_check:
        yield dns, None
        return
    allowed = [ipaddress.ip_network(text) for text in settings.probe_allow]
    async with open_probe(dns, port=settings.http01_port, allow=allowed) as probe:
        yield dns, probe


@dataclass(frozen=True, slots=True)
class _Sealing:
    """The objects that seal keys; made first, so that a process without its key rings does not start."""

    key_writer: KeyWriter
    account_key_box: AccountKeyBox


def _now() -> datetime:
    return datetime.now(UTC)
