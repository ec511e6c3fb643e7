"""Consuming requests: received from the service's queues, settled in the database, and only then acknowledged.

* Handlers run in tasks of their own, a few at a time. The library cancels its callbacks when the channel dies, which
  would hit a handler in the middle of its transaction.
* A session is one connection. When it ends, for whatever reason, no more of its messages are started; those already
  started are finished, and answered if the channel still exists; the broker delivers the rest again. There is no other
  way out: a stop, a lost connection and a lost database take the same path.
* While a session ends, no message is returned to its queue: the broker could deliver it to this session again and again
  until it has processed the cancellation, and would count each time. It returns once, with the channel.
* While the database is down, started messages are held for a while and tried again, which does not count as a delivery.
  If it stays away, the session ends, and the next one begins when the database answers.
* When a handler raises an error its message goes back to the queue. The broker counts, and after the service's limit
  (`DELIVERY_LIMITS`) moves the message to `<service>.dead_letters`, from where it is moved to the table.
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
from shared.messaging.inbox.settlement import Outcome, Settlement, Subscription
from shared.messaging.message import message_of
from shared.messaging.metrics import HANDLED, HANDLING_SECONDS, IN_HAND
from shared.process.backoff import Backoff, first_of, wait_at_most
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

PREFETCH: Final = 50  # for each queue; more does not raise the rate
HANDLERS: Final = 8  # at the same time; each holds a database connection
HANDLER_SECONDS: Final = 30.0
HOLD_SECONDS: Final = 10.0  # how long started messages are held while the database is down
_TRIES: Final = 3  # of one delivery, while the database answers
_PRUNE_EVERY_SECONDS: Final = 600.0
_PRUNE_AT_ONCE: Final = 10_000
INBOX_KEPT: Final = timedelta(days=14)  # longer than any copy of a message stays on its way


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A message with its queue and its subscription; without a subscription it is kept as a dead letter."""

    incoming: AbstractIncomingMessage
    queue: str
    subscription: Subscription | None


@dataclass(frozen=True, slots=True)
class _SessionState:
    """One session, its messages, and the reasons to end it."""

    session: Session
    inbound: "asyncio.Queue[_Delivery | None]" = field(default_factory=asyncio.Queue)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    store_lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether no message of it may be started or tried again."""
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
        self._settlement = Settlement(pool=pool, service=service, seconds=handler_seconds)
        self._trouble: str | None = "it has not started yet"

    @property
    def trouble(self) -> str | None:
        """Why nothing is consumed at the moment; None when all is well."""
        return self._trouble

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until *stop* is set; then finish the started messages and return."""
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
            state = _SessionState(session)
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._handlers):
                    workers.create_task(self._work(state))
                try:
                    queues = await self._subscribe(state)
                    backoff.reset()
                    self._trouble = None
                    log.info("consumer_started", address=self._address, queues=queues)
                    await first_of(stop.wait(), session.lost(), state.store_lost.wait())
                    state.ending.set()
                    await session.stop_consuming()
                except BrokerUnavailableError as error:
                    failure = error
                finally:
                    self._finish(state)
        if state.store_lost.is_set():
            failure = StoreUnavailableError("the database does not answer; started messages went back to their queues")
        if failure is None and not stop.is_set():
            failure = BrokerUnavailableError(f"the connection to RabbitMQ at {self._address} was lost")
        if failure is not None:
            raise failure

    async def _subscribe(self, state: _SessionState) -> int:
        """Consume all queues of the service; return how many they are."""
        sources: list[tuple[str, Subscription | None]] = [
            *((queue_of(self._service, each.type), each) for each in self._subscriptions),
            *((queue, None) for queue in kept_queues(self._service)),
        ]

        def receive(queue: str, subscription: Subscription | None, incoming: AbstractIncomingMessage) -> None:
            state.inbound.put_nowait(_Delivery(incoming, queue, subscription))

        for queue, each in sources:
            await state.session.consume(queue, partial(receive, queue, each))
        return len(sources)

    def _finish(self, state: _SessionState) -> None:
        """Have the workers end after their current message; the others return to their queues with the channel."""
        state.ending.set()
        while not state.inbound.empty():
            state.inbound.get_nowait()
        for _ in range(self._handlers):
            state.inbound.put_nowait(None)

    async def _work(self, state: _SessionState) -> None:
        while (delivery := await state.inbound.get()) is not None:
            if state.is_over:
                continue
            with IN_HAND.labels(self._service).track_inprogress():
                await self._settle(state, delivery)

    async def _settle(self, state: _SessionState, delivery: _Delivery) -> None:
        """Settle one delivery and answer the broker; errors end here."""
        event_type = delivery.subscription.type if delivery.subscription else delivery.queue
        outcome = Outcome.GIVEN_BACK
        try:
            with HANDLING_SECONDS.labels(self._service, event_type).time():
                outcome = await self._try(state, delivery)
        except TransientError as error:
            log.warning("message_given_back", queue=delivery.queue, reason=str(error))
        except Exception:
            log.exception("handler_failed", queue=delivery.queue)
        is_settled = outcome is not Outcome.GIVEN_BACK
        if not state.session.is_lost and (is_settled or not state.is_over):
            await state.session.answer(delivery.incoming, accept=is_settled)
        HANDLED.labels(self._service, event_type, outcome.value).inc()

    async def _try(self, state: _SessionState, delivery: _Delivery) -> Outcome:
        message = message_of(delivery.incoming)
        for _ in range(_TRIES):
            if state.is_over:
                return Outcome.GIVEN_BACK
            try:
                if delivery.subscription is None:
                    return await self._settlement.keep(message, queue=delivery.queue)
                return await self._settlement.settle(message, queue=delivery.queue, subscription=delivery.subscription)
            except TransientError as error:
                log.warning("message_held", queue=delivery.queue, reason=str(error))
                await self._until_store_answers(state)
        raise TransientError(f"it failed {_TRIES} times while the database answered")

    async def _until_store_answers(self, state: _SessionState) -> None:
        """Return when the database answers.

        Raises:
            StoreUnavailableError: the session ended before, or is ended here because the database stays away.
        """
        backoff = Backoff(ceiling=1.0)
        deadline = asyncio.get_running_loop().time() + self._hold_seconds
        while not state.is_over:
            await backoff.pause(state.ending)
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._pool.check()
            except (StoreUnavailableError, TimeoutError):
                if asyncio.get_running_loop().time() >= deadline:
                    state.store_lost.set()
                    break
        raise StoreUnavailableError("the database does not answer")

    async def _prune(self, stop: asyncio.Event) -> None:
        """Delete old inbox rows now and then, in small batches that hold no lock for long."""
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
