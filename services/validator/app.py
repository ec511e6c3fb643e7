"""The composition root: every object of the validator is made and joined here, and closed in reverse."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.validator import expiring
from services.validator.deletion import on_certificate_deletion_requested
from services.validator.handlers import Handlers
from services.validator.metrics import watch_backlog
from services.validator.pruning import prune
from services.validator.sandbox.pool import Judges, open_judges
from services.validator.sandbox.process import COMMAND
from services.validator.settings import ValidatorSettings
from services.validator.store.claims import CHANNEL, Claims
from services.validator.verdict import Judging
from services.validator.worker import Worker
from shared.errors import StoreUnavailableError
from shared.events import CertificateDeletionRequested, CertificateUploaded
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Subscription
from shared.messaging.outbox.dispatch import Sender
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.process.health import health_server
from shared.process.lifecycle import leaving
from shared.process.waking import wake_at_news
from shared.store import Pool, open_pool
from shared.vault import KeyFiles, KeyWriter, UploadReader

_POOL_SIZE: Final = 12
_IN_HAND_FOR_EACH: Final = 4  # so that one claim is for several, and judges find the next one opened
# Shares of the grace period; the rest is for what is cancelled then, and for the connections' farewells.
_WORKING: Final = 0.5
_RELAYING: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """How the ways to the outside are made; tests put something in between."""

    sender: Callable[[str], AbstractAsyncContextManager[Sender]]
    consumer: Callable[[str, Pool, Sequence[Subscription]], Consumer]
    judge: Sequence[str] = COMMAND


OUTSIDE: Final = Outside(
    sender=lambda url: Publisher(url, name="certsmith validator relay"),
    # Few are in the hands of a process that may be killed: each such death counts as a failed delivery.
    consumer=lambda url, pool, subscriptions: Consumer(
        url, pool, service="validator", subscriptions=subscriptions, prefetch=10, handlers=4
    ),
)


async def serve(
    settings: ValidatorSettings, keys: KeyFiles, stop: asyncio.Event, *, outside: Outside = OUTSIDE
) -> None:
    """Judge uploads until *stop* is set; then finish what is in hand."""
    rings = _Rings(keys.upload_reader(), keys.key_writer("validator"))
    database_url = settings.database_url.get_secret_value()
    amqp_url = settings.amqp_url.get_secret_value()
    working = _Working()
    async with (
        health_server(settings.metrics_host, settings.metrics_port, working.missing, stop=stop),
        AsyncExitStack() as stack,
    ):
        async with leaving(stop, seconds=0):
            pool = await stack.enter_async_context(open_pool(database_url, role="validator", max_size=_POOL_SIZE))
        if stop.is_set():  # before the database was there
            return
        judges = await stack.enter_async_context(
            open_judges(count=settings.judges, seconds=settings.judge_seconds, command=outside.judge)
        )
        wake = asyncio.Event()
        worker = _worker(settings, rings, pool, judges, wake)
        sender = await stack.enter_async_context(outside.sender(amqp_url))
        consumer = outside.consumer(amqp_url, pool, _subscriptions(Handlers(uploads_allowed=settings.uploads)))
        working.consumer, working.pool, working.judges = consumer, pool, judges
        # The relay goes on until everything that could tell something has ended.
        quiet = asyncio.Event()
        async with leaving(quiet, seconds=_RELAYING * settings.grace_seconds), asyncio.TaskGroup() as relaying:
            relaying.create_task(Relay(database_url, pool, sender, service="validator").run(quiet))
            async with leaving(stop, seconds=_WORKING * settings.grace_seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(watch_backlog(pool, stop))
                tasks.create_task(prune(pool, stop))
                tasks.create_task(expiring.watch(pool, stop, every_seconds=settings.expiry_poll_seconds))
                tasks.create_task(wake_at_news(database_url, wake, stop, role="validator", channel=CHANNEL))
                tasks.create_task(worker.work(stop))
                tasks.create_task(consumer.run(stop))
            quiet.set()


def _subscriptions(handlers: Handlers) -> tuple[Subscription, ...]:
    return (
        Subscription(CertificateUploaded.type, handlers.on_certificate_uploaded),
        Subscription(CertificateDeletionRequested.type, on_certificate_deletion_requested),
    )


def _worker(settings: ValidatorSettings, rings: "_Rings", pool: Pool, judges: Judges, wake: asyncio.Event) -> Worker:
    """Return the worker with all that it needs."""
    lease = timedelta(seconds=settings.lease_seconds)
    judging = Judging(
        pool=pool,
        judges=judges,
        reader=rings.upload_reader,
        writer=rings.key_writer,
        judge_seconds=settings.judge_seconds,
        clock=_now,
    )
    return Worker(
        pool=pool,
        claims=Claims(pool=pool, holder=settings.holder, lease=lease),
        judging=judging,
        max_in_hand=_IN_HAND_FOR_EACH * settings.judges,
        lease=lease,
        wake=wake,
    )


@dataclass(frozen=True, slots=True)
class _Rings:
    """What opens uploads and seals keys; made first, so that a process without its key rings does not start."""

    upload_reader: UploadReader
    key_writer: KeyWriter


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Working:
    """Says whether the process can do its work; until it is composed, that it starts."""

    consumer: Consumer | None = None
    pool: Pool | None = None
    judges: Judges | None = None

    async def missing(self) -> dict[str, str]:
        """Return what is missing."""
        if self.consumer is None or self.pool is None or self.judges is None:
            return {"database": "waiting for PostgreSQL and its schema"}
        found = {}
        try:
            await self.pool.check()
        except StoreUnavailableError as error:
            found["database"] = str(error)
        if self.consumer.trouble:
            found["broker"] = self.consumer.trouble
        if self.judges.trouble:
            found["judges"] = self.judges.trouble
        return found
