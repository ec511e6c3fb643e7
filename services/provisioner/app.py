"""The composition root: every object of the provisioner is made and joined here, and closed in reverse."""

import asyncio
import ipaddress
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.provisioner.adapters.acme.certificate_authorities import open_certificate_authorities
from services.provisioner.adapters.dns import DnspythonDns
from services.provisioner.adapters.probe import open_probe
from services.provisioner.handlers import Handlers
from services.provisioner.metrics import watch_backlog
from services.provisioner.ports import CertificateAuthorities, Http01Probe
from services.provisioner.rules.budgets import Allowances
from services.provisioner.rules.setbacks import Setbacks
from services.provisioner.runner import Lease, Runner
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from services.provisioner.steps.challenges.http01 import Http01
from services.provisioner.store.accounts import Accounts
from services.provisioner.store.claims import CHANNEL, Claims
from services.provisioner.store.registrations import PostgresRegistrations
from services.provisioner.worker import Worker
from shared.errors import StoreUnavailableError
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
from shared.process.health import health_server
from shared.process.lifecycle import leaving
from shared.process.waking import wake_at_news
from shared.store import Pool, open_pool
from shared.vault import AccountKeyBox, KeyFiles, KeyWriter

_CA_MARGIN_SECONDS: Final = 10.0  # the CA must have answered so long before a lease ends: rows are fenced, it is not
_POOL_SIZE: Final = 12
# Shares of the grace period; the rest is for what is cancelled then, and for the connections' farewells.
_WORKING: Final = 0.5
_RELAYING: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """How the ways to the outside are made; tests put something in between."""

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
    """Provision until *stop* is set; then finish what is in hand."""
    sealing = _Sealing(keys.key_writer("provisioner"), keys.account_key_box())
    database_url = settings.database_url.get_secret_value()
    amqp_url = settings.amqp_url.get_secret_value()
    consuming = _Consuming()
    async with (
        health_server(settings.metrics_host, settings.metrics_port, consuming.missing, stop=stop),
        AsyncExitStack() as stack,
    ):
        async with leaving(stop, seconds=0):
            pool = await stack.enter_async_context(open_pool(database_url, role="provisioner", max_size=_POOL_SIZE))
        if stop.is_set():  # before the database was there
            return
        wake = asyncio.Event()
        worker = await stack.enter_async_context(_worker(settings, authority, sealing, pool, wake, outside))
        sender = await stack.enter_async_context(outside.sender(amqp_url))
        consumer = outside.consumer(amqp_url, pool, _subscriptions(Handlers(ca=authority.directory_url)))
        consuming.consumer, consuming.pool = consumer, pool
        # The relay goes on until everything that could tell something has ended.
        quiet = asyncio.Event()
        async with leaving(quiet, seconds=_RELAYING * settings.grace_seconds), asyncio.TaskGroup() as relaying:
            relaying.create_task(Relay(database_url, pool, sender, service="provisioner").run(quiet))
            async with leaving(stop, seconds=_WORKING * settings.grace_seconds), asyncio.TaskGroup() as working:
                working.create_task(watch_backlog(pool, stop))
                working.create_task(wake_at_news(database_url, wake, stop, role="provisioner", channel=CHANNEL))
                working.create_task(worker.work(stop))
                working.create_task(consumer.run(stop))
            quiet.set()


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
) -> AsyncIterator[Worker]:
    """Give the worker with all that it needs."""
    length = timedelta(seconds=settings.lease_seconds)
    lease = Lease(length=length, margin_seconds=min(_CA_MARGIN_SECONDS, settings.lease_seconds / 3))
    allowances = Allowances(
        new_orders_per_3_hours=settings.new_orders_per_3_hours,
        certificates_per_week=settings.certificates_per_week,
    )
    async with outside.authorities(authority.trusted_ca_pem) as authorities, _dns_and_probe(settings) as (dns, probe):
        runner = Runner(
            pool=pool,
            accounts=Accounts(
                pool=pool,
                authorities=authorities,
                box=sealing.account_key_box,
                contact=authority.contact,
                external_account=authority.external_account,
            ),
            registrations=PostgresRegistrations(pool),
            dns=dns,
            challenge=Http01(probe=probe),
            keys=sealing.key_writer,
            platform=settings.platform,
            allowances=allowances,
            lease=lease,
            setbacks=Setbacks(
                slow_seconds=settings.backoff_seconds,
                dns_poll_seconds=settings.dns_poll_seconds,
                allowances=allowances,
                dice=random.random,
                clock=_now,
            ),
            clock=_now,
        )
        yield Worker(
            pool=pool,
            claims=Claims(pool=pool, holder=settings.holder, lease=length),
            runner=runner,
            max_in_flight=settings.max_orders_in_flight,
            lease=lease,
            wake=wake,
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
    """What seals keys; made first, so that a process without its key rings does not start."""

    key_writer: KeyWriter
    account_key_box: AccountKeyBox


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Consuming:
    """Says whether the process can do its work; until it is composed, that it starts."""

    consumer: Consumer | None = None
    pool: Pool | None = None

    async def missing(self) -> dict[str, str]:
        """Return what is missing."""
        if self.consumer is None or self.pool is None:
            return {"database": "waiting for PostgreSQL and its schema"}
        found = {}
        try:
            await self.pool.check()
        except StoreUnavailableError as error:
            found["database"] = str(error)
        if self.consumer.trouble:
            found["broker"] = self.consumer.trouble
        return found
