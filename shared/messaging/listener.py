"""Listening to facts: every node receives all of them, as hints to read the rows that they name.

Each connection has an exclusive queue with a new random name, because a half-open old connection may still own the
previous queue. Facts published while there is no connection are missed. So at each new connection the listener's owner
is called, with the queue already in place, to look for changes; only then come the hints, beginning with those that
arrived meanwhile. There is no inbox, and a hint may come twice.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Final

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared import logs
from shared.errors import RefusedError, TransientError
from shared.events import Incoming
from shared.messaging.broker.link import Session, address_of, open_session
from shared.messaging.broker.names import EVENTS_EXCHANGE, node_queues_of
from shared.messaging.codec.cloudevents import decode
from shared.messaging.message import message_of
from shared.process.backoff import Backoff, first_of

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

PREFETCH: Final = 200


class NodeListener:
    """Listens to the facts of some types for one process of *service*.

    *on_connected* is called at each new connection, before its first event; *on_event* for each event, one after
    another. An error of either ends the connection, so that the next *on_connected* makes up for what was missed.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        types: Collection[str],
        on_event: Callable[[Incoming], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]],
    ) -> None:
        self._url = url
        self._address = address_of(url)
        self._service = service
        self._types = tuple(types)
        self._on_event = on_event
        self._on_connected = on_connected
        self._trouble: str | None = "it has not started yet"

    @property
    def trouble(self) -> str | None:
        """Why no facts are received at the moment; None when all is well."""
        return self._trouble

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until *stop* is set."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with open_session(
                    self._url, name=f"certsmith {self._service} node", prefetch=PREFETCH
                ) as session:
                    await self._listen(session, stop, backoff)
                self._trouble = f"the connection to RabbitMQ at {self._address} was lost"
            except TransientError as error:
                self._trouble = str(error)
            except Exception:
                self._trouble = "acting on a fact failed: see the log"
                log.exception("listener_failed")
            if not stop.is_set():
                log.warning("listener_reconnects", reason=self._trouble)
                await backoff.pause(stop)
        self._trouble = "it was stopped"

    async def _listen(self, session: Session, stop: asyncio.Event, backoff: Backoff) -> None:
        inbound: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        await self._subscribe(session, inbound)
        ending = asyncio.ensure_future(first_of(stop.wait(), session.lost()))
        ending.add_done_callback(lambda _: inbound.put_nowait(None))
        try:
            await self._on_connected()
            self._trouble = None
            log.info("listener_started", address=self._address)
            while not ending.done() and (incoming := await inbound.get()) is not None:
                await self._receive(session, incoming)
                backoff.reset()
        finally:
            ending.cancel()

    async def _subscribe(self, session: Session, inbound: "asyncio.Queue[AbstractIncomingMessage | None]") -> None:
        name = f"{node_queues_of(self._service)}{secrets.token_hex(8)}"
        async with session.asking() as channel:
            queue = await channel.declare_queue(name, exclusive=True)
        for event_type in self._types:
            async with session.asking():
                await queue.bind(EVENTS_EXCHANGE, event_type)
        await session.consume(name, inbound.put_nowait)

    async def _receive(self, session: Session, incoming: AbstractIncomingMessage) -> None:
        try:
            event = decode(message_of(incoming), expected=None, received_at=datetime.now(UTC))
        except RefusedError as refusal:
            log.warning("hint_not_understood", reason=str(refusal))
        else:
            with logs.handling(event):
                await self._on_event(event)
        await session.answer(incoming, accept=True)
