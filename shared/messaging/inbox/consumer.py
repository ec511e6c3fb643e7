"""Consuming requests: taken from the service's queues, settled in the database, and only then acknowledged.

* Handlers run in tasks of their own, a few at a time. The library would cancel what runs in its callbacks when the
  channel dies, in the middle of a transaction.
* A session is one connection. When it ends, for whatever reason, nothing more of it is begun, what was begun is
  finished and answered if the channel still lives, and the broker delivers the rest again. There is no other way out:
  a stop, a lost connection and a lost database take the same path.
* While the database is away what is in hand is held for a while and tried again, which counts as no delivery. If it
  stays away the session ends, and there is no next one until it answers.
* A handler that crashes gives its message back; the broker counts, and after the service's limit (`DELIVERY_LIMITS`)
  it moves the message to `<service>.dead_letters`, from where it is moved to the table.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.errors import BrokerUnavailableError, StoreUnavailableError, TransientError
from shared.messaging import inbox
from shared.messaging.broker.link import Session, address_of, open_session
from shared.messaging.broker.names import queue_of
from shared.messaging.broker.topology import kept_queues
from shared.messaging.inbox.settlement import Desk, Outcome, Subscription
from shared.messaging.message import message_of
from shared.messaging.metrics import HANDLED, HANDLING_SECONDS, IN_HAND
from shared.process.backoff import Backoff, first_of, wait_at_most
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

PREFETCH: Final = 50  # for each queue; the knee of throughput
HANDLERS: Final = 8  # at the same time; each holds a database connection
HANDLER_SECONDS: Final = 30.0
HOLD_SECONDS: Final = 10.0  # how long what is in hand is held while the database is away
_TRIES: Final = 3  # of one delivery, while the database answers
_PRUNE_EVERY_SECONDS: Final = 600.0
_PRUNE_AT_ONCE: Final = 10_000
INBOX_KEPT: Final = timedelta(days=14)  # longer than any copy of a message takes to come


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A message in hand: where it came from, and who acts on it; without a subscription it is kept as a dead letter."""

    incoming: AbstractIncomingMessage
    queue: str
    subscription: Subscription | None


@dataclass(frozen=True, slots=True)
class _Round:
    """One session and what hangs on it."""

    session: Session
    inbound: "asyncio.Queue[_Delivery | None]" = field(default_factory=asyncio.Queue)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    store_lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is to be begun or tried again."""
        return self.ending.is_set() or self.session.is_lost


class Consumer:
    """Consumes the queues of one service."""

    def __init__(
        self,
        url: str,
        pool: Pool,
        *,
        service: str,
        subscriptions: Sequence[Subscription],
        prefetch: int = PREFETCH,
        handlers: int = HANDLERS,
        handler_seconds: float = HANDLER_SECONDS,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self._url = url
        self._address = address_of(url)
        self._pool = pool
        self._service = service
        self._subscriptions = tuple(subscriptions)
        self._prefetch = prefetch
        self._handlers = handlers
        self._hold_seconds = hold_seconds
        self._desk = Desk(pool=pool, service=service, seconds=handler_seconds)
        self._trouble: str | None = "it has not started yet"

    @property
    def trouble(self) -> str | None:
        """Why nothing is consumed at the moment; None when all is well."""
        return self._trouble

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until *stop* is set; then finish what is in hand and return."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._prune(stop))
            backoff = Backoff()
            while not stop.is_set():
                try:
                    await self._pool.check()
                    await self._consume(stop, backoff)
                except (BrokerUnavailableError, StoreUnavailableError) as error:
                    self._trouble = str(error)
                    log.warning("consumer_waits", reason=str(error))
                    await backoff.pause(stop)
            self._trouble = "it was stopped"

    async def _consume(self, stop: asyncio.Event, backoff: Backoff) -> None:
        """Consume for the length of one session, which only *stop* ends without an error."""
        name = f"certsmith {self._service} consumer"
        failure: TransientError | None = None
        async with open_session(self._url, name=name, prefetch=self._prefetch) as session:
            now = _Round(session)
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._handlers):
                    workers.create_task(self._work(now))
                try:
                    queues = await self._subscribe(now)
                    backoff.reset()
                    self._trouble = None
                    log.info("consumer_started", address=self._address, queues=queues)
                    await first_of(stop.wait(), session.lost(), now.store_lost.wait())
                    now.ending.set()
                    await session.stop_consuming()
                except BrokerUnavailableError as error:
                    failure = error
                finally:
                    self._finish(now)
        if now.store_lost.is_set():
            failure = StoreUnavailableError("the database does not answer; what was in hand went back to the queues")
        if failure is None and not stop.is_set():
            failure = BrokerUnavailableError(f"the connection to RabbitMQ at {self._address} was lost")
        if failure is not None:
            raise failure

    async def _subscribe(self, now: _Round) -> int:
        """Consume all queues of the service; return how many they are."""
        sources: list[tuple[str, Subscription | None]] = [
            *((queue_of(self._service, each.type), each) for each in self._subscriptions),
            *((queue, None) for queue in kept_queues(self._service)),
        ]

        def take(queue: str, subscription: Subscription | None, incoming: AbstractIncomingMessage) -> None:
            now.inbound.put_nowait(_Delivery(incoming, queue, subscription))

        for queue, each in sources:
            await now.session.consume(queue, partial(take, queue, each))
        return len(sources)

    def _finish(self, now: _Round) -> None:
        """Have the workers end after what they have in hand; what nobody has begun goes back with the channel."""
        now.ending.set()
        while not now.inbound.empty():
            now.inbound.get_nowait()
        for _ in range(self._handlers):
            now.inbound.put_nowait(None)

    async def _work(self, now: _Round) -> None:
        while (delivery := await now.inbound.get()) is not None:
            with IN_HAND.labels(self._service).track_inprogress():
                await self._settle(now, delivery)

    async def _settle(self, now: _Round, delivery: _Delivery) -> None:
        """Settle one delivery and answer the broker; here nothing is raised any more."""
        event_type = delivery.subscription.type if delivery.subscription else delivery.queue
        outcome = Outcome.GIVEN_BACK
        try:
            with HANDLING_SECONDS.labels(self._service, event_type).time():
                outcome = await self._try(now, delivery)
        except TransientError as error:
            log.warning("message_given_back", queue=delivery.queue, reason=str(error))
        except Exception:
            log.exception("handler_failed", queue=delivery.queue)
        if not now.session.is_lost:
            await now.session.answer(delivery.incoming, accept=outcome is not Outcome.GIVEN_BACK)
        HANDLED.labels(self._service, event_type, outcome.value).inc()

    async def _try(self, now: _Round, delivery: _Delivery) -> Outcome:
        message = message_of(delivery.incoming)
        for _ in range(_TRIES):
            if now.is_over:
                return Outcome.GIVEN_BACK
            try:
                if delivery.subscription is None:
                    return await self._desk.keep(message, queue=delivery.queue)
                return await self._desk.settle(message, queue=delivery.queue, subscription=delivery.subscription)
            except TransientError as error:
                log.warning("message_held", queue=delivery.queue, reason=str(error))
                await self._until_the_store_answers(now)
        raise TransientError(f"it failed {_TRIES} times while the database answered")

    async def _until_the_store_answers(self, now: _Round) -> None:
        """Return when the database answers.

        Raises:
            StoreUnavailableError: the session ends before; when it is for the database, this ends it.
        """
        backoff = Backoff(ceiling=1.0)
        deadline = asyncio.get_running_loop().time() + self._hold_seconds
        while not now.is_over:
            await backoff.pause(now.ending)
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._pool.check()
            except (StoreUnavailableError, TimeoutError):
                if asyncio.get_running_loop().time() >= deadline:
                    now.store_lost.set()
                    break
        raise StoreUnavailableError("the database does not answer")

    async def _prune(self, stop: asyncio.Event) -> None:
        """Delete old inbox rows now and then, in pieces, so that nothing waits for it."""
        while not await wait_at_most(stop, _PRUNE_EVERY_SECONDS):
            try:
                pruned = _PRUNE_AT_ONCE
                while pruned == _PRUNE_AT_ONCE and not stop.is_set():
                    async with self._pool.acquire() as connection:
                        pruned = await inbox.prune(
                            connection, consumer=self._service, older_than=INBOX_KEPT, limit=_PRUNE_AT_ONCE
                        )
            except StoreUnavailableError as error:
                log.warning("inbox_not_pruned", reason=str(error))
