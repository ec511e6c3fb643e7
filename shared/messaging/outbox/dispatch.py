"""The leading relay's events in flight: read from the outbox, being sent, or sent and not yet deleted."""

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

_MARGIN_SECONDS: Final = 2.0  # before the lease expires: no sending starts or continues in it
_OUTSTANDING: Final = 64  # unconfirmed messages; more only adds delay
_IN_HAND: Final = 500
_FINISH_SECONDS: Final = 5.0


class Sender(Protocol):
    """Sends messages; `Publisher` is one."""

    async def send(self, message: Message, *, seconds: float) -> None:
        """Send *message*; return when the broker has confirmed it.

        Raises:
            BrokerUnavailableError: it was not confirmed within *seconds*.
        """


class Dispatch:
    """Reads and sends events until the lease expires: at *until*, by the event loop's clock.

    *has_room* is called when more events may be read after there was no room.
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
        self._chains: dict[str, deque[PendingEvent]] = {}  # by key: events to send one after another
        self._sending: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_OUTSTANDING)
        self._confirmed: list[int] = []
        self._something_confirmed = asyncio.Event()
        self._deleting = tasks.create_task(self._delete())

    async def read(self, connection: Connection) -> None:
        """Read pending events that are not in flight, as far as there is room, and start to send them."""
        room = _IN_HAND - len(self._in_hand)
        if room <= 0:
            return
        for pending in await outbox.pending(connection, self._service, exclude=self._in_hand, limit=room):
            self._in_hand.add(pending.id)
            if pending.key in self._chains:
                self._chains[pending.key].append(pending)
                continue
            self._chains[pending.key] = deque([pending])
            task = self._tasks.create_task(self._send_chain(pending.key))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def finish(self, *, in_order: bool) -> None:
        """End all tasks; if *in_order*, first send and delete the events in flight, for a few seconds at most."""
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
        """Send the events of *key*, including those added meanwhile, one after another."""
        chain = self._chains[key]
        while chain:
            pending = chain[0]
            try:
                with RELAY_SECONDS.labels(self._service).time():
                    await self._send(pending)
            except Exception:
                # Never seen; it must not stop the other keys. This event and the later ones of its key stay unsent.
                log.exception("event_cannot_be_sent", outbox_id=pending.id)
                self.trouble = f"the event {pending.id} of the outbox cannot be sent: see the log"
                return
            chain.popleft()
            self._confirmed.append(pending.id)
            self._something_confirmed.set()
            RELAYED.labels(self._service).inc()
        del self._chains[key]

    async def _send(self, pending: PendingEvent) -> None:
        message = encode_parts(pending.attributes, pending.data)
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
        """Delete confirmed events, all that there are at a time, until this is cancelled."""
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
