"""What the leading relay has in hand: events read from the outbox, being sent, or sent and not yet deleted."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from shared.errors import BrokerUnavailableError, StoreUnavailableError
from shared.messaging import outbox
from shared.messaging.codec.cloudevents import encode_parts
from shared.messaging.message import Message
from shared.messaging.metrics import RELAY_SECONDS, RELAYED
from shared.messaging.outbox import PendingEvent
from shared.process.backoff import Backoff
from shared.store import Connection, Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_MARGIN_SECONDS: Final = 2.0  # no sending is begun so shortly before the lease ends, and none lasts longer
_OUTSTANDING: Final = 64  # unconfirmed messages; more only adds delay
_IN_HAND: Final = 500
_FINISH_SECONDS: Final = 5.0


class Sender(Protocol):
    """What sends messages: `Publisher`."""

    async def send(self, message: Message, *, seconds: float) -> None:
        """Send *message*; return when the broker has it.

        Raises:
            BrokerUnavailableError: it was not confirmed within *seconds*.
        """


class Dispatch:
    """Sends what it reads while the lease lasts; *until* says how long, by the event loop's clock.

    *has_room* is called when more may be read after there was no room.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        pool: Pool,
        sender: Sender,
        *,
        service: str,
        until: float,
        has_room: Callable[[], None],
    ) -> None:
        self.until = until
        self.trouble: str | None = None
        self._tasks = tasks
        self._pool = pool
        self._sender = sender
        self._service = service
        self._has_room = has_room
        self._in_hand: set[int] = set()
        self._chains: dict[str, deque[PendingEvent]] = {}  # by key: what is to be sent one after another
        self._sending: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_OUTSTANDING)
        self._confirmed: list[int] = []
        self._something_confirmed = asyncio.Event()
        self._deleting = tasks.create_task(self._delete())

    async def read(self, connection: Connection) -> None:
        """Take what is told and not in hand, as far as there is room, and begin to send it."""
        room = _IN_HAND - len(self._in_hand)
        if room <= 0:
            return
        for told in await outbox.pending(connection, self._service, exclude=self._in_hand, limit=room):
            self._in_hand.add(told.id)
            if told.key in self._chains:
                self._chains[told.key].append(told)
                continue
            self._chains[told.key] = deque([told])
            task = self._tasks.create_task(self._send_chain(told.key))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def finish(self, *, in_order: bool) -> None:
        """End all that goes on; *in_order*, what is in hand is still sent and deleted, as far as that is quick."""
        if in_order and self._sending:
            await asyncio.wait(self._sending, timeout=_FINISH_SECONDS)
        for task in (*self._sending, self._deleting):
            task.cancel()
        await asyncio.gather(*self._sending, self._deleting, return_exceptions=True)
        if in_order:
            with suppress(StoreUnavailableError, TimeoutError):
                async with asyncio.timeout(_FINISH_SECONDS):
                    await self._delete_confirmed()

    async def _send_chain(self, key: str) -> None:
        """Send what there is of *key*, and what is added meanwhile, one after another."""
        chain = self._chains[key]
        while chain:
            told = chain[0]
            try:
                with RELAY_SECONDS.labels(self._service).time():
                    await self._send(told)
            except Exception:
                # Never seen, and no reason to stop everything else: it stays in the outbox, and so does its key.
                log.exception("event_cannot_be_sent", outbox_id=told.id)
                self.trouble = f"the event {told.id} of the outbox cannot be sent: see the log"
                return
            chain.popleft()
            self._confirmed.append(told.id)
            self._something_confirmed.set()
            RELAYED.labels(self._service).inc()
        del self._chains[key]

    async def _send(self, told: PendingEvent) -> None:
        message = encode_parts(told.attributes, told.data)
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while True:
            async with self._slots:
                seconds = self.until - _MARGIN_SECONDS - loop.time()
                try:
                    if seconds > 0:
                        await self._sender.send(message, seconds=seconds)
                        self.trouble = None
                        return
                except BrokerUnavailableError as error:
                    self.trouble = str(error)
            await asyncio.sleep(backoff.delay())

    async def _delete(self) -> None:
        """Delete what is confirmed, all that there is at a time, as long as the leadership lasts."""
        backoff = Backoff()
        while True:
            await self._something_confirmed.wait()
            self._something_confirmed.clear()
            try:
                await self._delete_confirmed()
                backoff.reset()
            except StoreUnavailableError as error:
                log.warning("confirmed_events_not_deleted", reason=str(error))
                self._something_confirmed.set()
                await asyncio.sleep(backoff.delay())

    async def _delete_confirmed(self) -> None:
        ids = tuple(self._confirmed)
        if not ids:
            return
        async with self._pool.acquire() as connection:
            await outbox.delete(connection, self._service, ids)
        had_room = len(self._in_hand) < _IN_HAND
        del self._confirmed[: len(ids)]
        self._in_hand.difference_update(ids)
        if not had_room:
            self._has_room()
