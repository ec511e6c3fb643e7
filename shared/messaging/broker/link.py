"""One connection to RabbitMQ with one channel, which either works or is known to be lost.

Rules:

* A session is never repaired. When connection or channel ends, everything that hung on the session ends too, and its
  user opens a new one.
* Every wait has a deadline. On a link that carries nothing the library notices after three heartbeats; we cut such a
  link after 1.6 of them (`lost`), because a polite close would wait for an answer.
* The library's errors do not leave this package (`failures`).
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractQueue, ConsumerTag
from yarl import URL

from shared.errors import BrokerUnavailableError, SettingsError
from shared.messaging.broker.connection import GuardedConnection
from shared.messaging.broker.failures import translated

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_SILENT_HEARTBEATS: Final = 1.6  # 8 s; the library would wait for 18
_LOOK_SECONDS: Final = 0.5
CONNECT_SECONDS: Final = 10.0
REPLY_SECONDS: Final = 10.0  # the broker's answer to any request; 1 ms on a quiet one
_CLOSE_SECONDS: Final = 1.0  # 10 ms on a quiet broker; closing without the handshake costs a line in the broker's log
_SCHEMES: Final = ("amqp", "amqps")


class Session:
    """A connection with a channel, until it is lost."""

    def __init__(self, connection: GuardedConnection, channel: AbstractChannel, *, address: str) -> None:
        self.address = address
        self._channel = channel
        self._transport = connection.guard
        self._silent_seconds = _SILENT_HEARTBEATS * (connection.heartbeat_seconds or math.inf)
        self._exchanges: dict[str, AbstractExchange] = {}
        self._consuming: list[tuple[AbstractQueue, ConsumerTag]] = []

    @property
    def is_lost(self) -> bool:
        """Whether connection or channel have ended."""
        return self._channel.is_closed

    async def lost(self) -> None:
        """Return when connection or channel have ended, from whichever side; a silent connection is ended here."""
        closed = asyncio.ensure_future(self._channel.closed())
        while not (await asyncio.wait({closed}, timeout=_LOOK_SECONDS))[0]:
            if self.is_silent:
                await asyncio.sleep(_LOOK_SECONDS)  # our own event loop may have been blocked: look once more
                self.cut_if_silent()

    @property
    def is_silent(self) -> bool:
        """Whether no frame, not even a heartbeat, has arrived for longer than a heartbeat should take."""
        return self._transport.silent_seconds > self._silent_seconds

    def cut(self) -> None:
        """End the connection at once."""
        self._transport.cut()

    def cut_if_silent(self) -> None:
        """End the connection at once if nothing arrives over it."""
        if self.is_silent:
            log.warning("broker_is_silent", address=self.address)
            self.cut()

    @asynccontextmanager
    async def asking(self, *, seconds: float = REPLY_SECONDS) -> AsyncIterator[AbstractChannel]:
        """Give the channel for one exchange with the broker, with a deadline.

        Raises:
            BrokerUnavailableError: it failed; whether the broker has seen it is unknown.
        """
        async with translated(self.address, seconds=seconds):
            yield self._channel

    async def publish(self, message: aio_pika.Message, *, exchange: str, routing_key: str, mandatory: bool) -> None:
        """Publish *message* and return when the broker has confirmed it.

        The caller sets the deadline and translates the library's errors (`translated`).
        """
        if exchange not in self._exchanges:
            self._exchanges[exchange] = await self._channel.get_exchange(exchange, ensure=False)
        await self._exchanges[exchange].publish(message, routing_key, mandatory=mandatory)

    async def consume(self, queue: str, on_message: Callable[[AbstractIncomingMessage], None]) -> None:
        """Have *on_message* called for each message of *queue*.

        It is called as messages arrive and must not wait. When the broker ends the consumer, the session ends.
        """

        async def deliver(message: AbstractIncomingMessage) -> None:
            on_message(message)

        async with self.asking() as channel:
            source = await channel.get_queue(queue, ensure=False)
            self._consuming.append((source, await source.consume(deliver)))

    async def stop_consuming(self) -> None:
        """Ask the broker for no more messages; those already delivered can still be answered.

        Raises:
            BrokerUnavailableError: the broker did not confirm it.
        """
        while self._consuming:
            queue, tag = self._consuming.pop()
            async with self.asking():
                await queue.cancel(tag)

    async def answer(self, message: AbstractIncomingMessage, *, accept: bool) -> None:
        """Acknowledge *message*, or return it to its queue to be delivered again.

        An answer that cannot be sent is not repeated: the channel is gone, so the broker delivers the message again.
        """
        with suppress(BrokerUnavailableError):
            async with self.asking():
                await (message.ack() if accept else message.nack(requeue=True))


@asynccontextmanager
async def open_session(url: str, *, name: str, prefetch: int = 0) -> AsyncIterator[Session]:
    """Connect to *url* as *name*, for the length of the block; each consumer gets *prefetch* messages at a time.

    Raises:
        BrokerUnavailableError: the broker does not answer or refuses the login; the text says what to do.
    """
    address = address_of(url)
    connection = GuardedConnection(url, name=name)
    try:
        async with translated(address, seconds=CONNECT_SECONDS):
            await connection.connect()
            channel = connection.channel(on_return_raises=True)
            await channel.initialize()
            if prefetch:
                await channel.set_qos(prefetch_count=prefetch)
            session = Session(connection, channel, address=address)
            # aio-pika's plain channel has no callback for this event, the channel below it has.
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda _frame: session.cut())
        yield session
    finally:
        await _close(connection, address)


async def _close(connection: GuardedConnection, address: str) -> None:
    try:
        with suppress(BrokerUnavailableError):
            async with translated(address, seconds=_CLOSE_SECONDS):
                await connection.close()
    finally:
        connection.guard.cut()


def address_of(url: str) -> str:
    """Return *url* as people may see it: without the password.

    Raises:
        SettingsError: it is not an AMQP address.
    """
    try:
        parsed = URL(url)
        if parsed.scheme in _SCHEMES and parsed.host:
            port = f":{parsed.explicit_port}" if parsed.explicit_port else ""
            return f"{parsed.user or 'guest'}@{parsed.host}{port}{parsed.path.rstrip('/')}"
    except ValueError:
        pass
    raise SettingsError("AMQP_URL: an address such as amqp://user:password@host:5672/ is needed")


def user_of(url: str) -> str:
    """Return the broker's user in *url*."""
    return URL(url).user or "guest"


def vhost_of(url: str) -> str:
    """Return the virtual host that *url* names; without one it is `/`."""
    return URL(url).path.removeprefix("/") or "/"
