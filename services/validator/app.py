"""The composition root: every object of the validator is made and joined here, and closed in reverse."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from services.validator import expiring
from services.validator.backlog import watch_backlog
from services.validator.handlers import Handlers
from services.validator.metrics import IN_HAND
from services.validator.pruning import prune
from services.validator.rules.uploads import ClaimedUpload
from services.validator.sandbox.pool import SandboxPool, open_sandbox_pool
from services.validator.sandbox.process import COMMAND
from services.validator.settings import ValidatorSettings
from services.validator.store.claims import CHANNEL, Claims
from services.validator.verdict import Verdicts
from services.validator.worker import QuickUploads, SlowUploads
from shared.events import CertificateDeletionRequested, CertificateUploaded
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Subscription
from shared.messaging.outbox.dispatch import Sender
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.process.leased_work import LeasedWork
from shared.process.running import Parts, run_service
from shared.store import Pool, open_pool
from shared.store.waking import wake_on_notify
from shared.vault import KeyFiles, KeyWriter, UploadReader

_POOL_SIZE: Final = 12
_IN_HAND_FOR_EACH: Final = 4  # so that one claim is for several, and no sandbox process waits for an upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """How the service reaches the outside; tests replace it."""

    sender: Callable[[str], AbstractAsyncContextManager[Sender]]
    consumer: Callable[[str, Pool, Sequence[Subscription]], Consumer]
    sandbox: Sequence[str] = COMMAND
    """The command that starts a sandbox process."""


OUTSIDE: Final = Outside(
    sender=lambda url: Publisher(url, name="certsmith validator relay"),
    # Few deliveries are open at a time: each one open when the process is killed counts as a failed delivery.
    consumer=lambda url, pool, subscriptions: Consumer(
        url, pool, service="validator", subscriptions=subscriptions, prefetch=10, handlers=4
    ),
)


async def serve(
    settings: ValidatorSettings, keys: KeyFiles, stop: asyncio.Event, *, outside: Outside = OUTSIDE
) -> None:
    """Judge uploads until *stop* is set; then finish the work in progress."""
    rings = _Rings(keys.upload_reader(), keys.key_writer("validator"))
    database_url = settings.database_url.get_secret_value()
    amqp_url = settings.amqp_url.get_secret_value()

    async def compose(stack: AsyncExitStack, pool: Pool) -> Parts:
        sandbox = await stack.enter_async_context(
            open_sandbox_pool(count=settings.judges, seconds=settings.judge_seconds, command=outside.sandbox)
        )
        wake, wake_slow = asyncio.Event(), asyncio.Event()
        quick, slow = _workers(settings, rings, pool, sandbox, wake=wake, wake_slow=wake_slow)
        sender = await stack.enter_async_context(outside.sender(amqp_url))
        return Parts(
            relay=Relay(database_url, pool, sender, service="validator"),
            consumer=outside.consumer(amqp_url, pool, _subscriptions(Handlers(uploads_allowed=settings.uploads))),
            work=(
                partial(watch_backlog, pool),
                partial(prune, pool),
                partial(expiring.watch, pool, every_seconds=settings.expiry_poll_seconds),
                partial(wake_on_notify, database_url, wake, role="validator", channel=CHANNEL),
                quick.run,
                slow.run,
            ),
            watched={"judges": sandbox},
        )

    database = open_pool(database_url, role="validator", max_size=_POOL_SIZE)
    await run_service(settings, stop, database=database, compose=compose)


def _subscriptions(handlers: Handlers) -> tuple[Subscription, ...]:
    return (
        Subscription(CertificateUploaded.type, handlers.on_certificate_uploaded),
        Subscription(CertificateDeletionRequested.type, handlers.on_certificate_deletion_requested),
    )


def _workers(
    settings: ValidatorSettings,
    rings: "_Rings",
    pool: Pool,
    sandbox: SandboxPool,
    *,
    wake: asyncio.Event,
    wake_slow: asyncio.Event,
) -> tuple[LeasedWork[ClaimedUpload], LeasedWork[ClaimedUpload]]:
    """Return the loops of ordinary and of slow uploads."""
    lease = timedelta(seconds=settings.lease_seconds)
    claims = Claims(pool=pool, holder=settings.holder, lease=lease)
    verdicts = Verdicts(
        pool=pool,
        sandbox=sandbox,
        reader=rings.upload_reader,
        writer=rings.key_writer,
        judge_seconds=settings.judge_seconds,
        clock=_now,
    )
    quick = QuickUploads(
        pool=pool,
        claims=claims,
        verdicts=verdicts,
        lease=lease,
        wake_slow=wake_slow,
        max_in_hand=_IN_HAND_FOR_EACH * settings.judges,
    )
    slow = SlowUploads(pool=pool, claims=claims, verdicts=verdicts, lease=lease, wake_slow=wake_slow, sandbox=sandbox)
    return (
        LeasedWork(work=quick, wake=wake, lease=lease, in_hand=IN_HAND),
        LeasedWork(work=slow, wake=wake_slow, lease=lease, in_hand=IN_HAND),
    )


@dataclass(frozen=True, slots=True)
class _Rings:
    """The key rings; opened first, so that a process without them does not start."""

    upload_reader: UploadReader
    key_writer: KeyWriter


def _now() -> datetime:
    return datetime.now(UTC)
