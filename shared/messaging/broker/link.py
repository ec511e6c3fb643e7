"""One connection to RabbitMQ with one channel, that either works or is known to be lost.

It stands on aiormq, the protocol layer below aio-pika, made by the same people. aio-pika adds connections that mend
themselves; ours must not, because who was consuming has to forget what the old connection delivered, and who was
publishing has to know what was not confirmed. And it decodes properties in the consumer's callback, where a bad one
leaves a message that is never answered.

What is known of the layer, and done here once for all:

* every wait has a deadline. A black-holed link is silent for three heartbeats, then the library gives what was pending
  a `CancelledError` that nobody asked for: it becomes `BrokerUnavailableError` unless our task really was cancelled;
* the heartbeat is low, and a link over which not even that comes is cut: a polite close would wait for an answer;
* the library logs messages with their bodies when it is surprised. Bodies are not for logs, so it is not heard.
"""

import asyncio
import logging
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast

import aiormq
import structlog
from aiormq import exceptions
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.connection import TransportFactory
from pamqp.exceptions import PAMQPException
from yarl import URL

from shared.errors import BrokerUnavailableError, SettingsError
from shared.messaging.broker.frame_guard import GuardedReader
from shared.process.keepalive import keep_alive

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
logging.getLogger("aiormq").setLevel(logging.CRITICAL)

HEARTBEAT_SECONDS: Final = 5  # the broker sends one every half of it
_SILENT_HEARTBEATS: Final = 1.6  # 8 s; the library would wait for 18
_LOOK_SECONDS: Final = 0.5
CONNECT_SECONDS: Final = 10.0
REPLY_SECONDS: Final = 10.0  # the broker's answer to anything we ask; 1 ms on a quiet one
_CLOSE_SECONDS: Final = 1.0  # 10 ms on a quiet broker; a cut without a farewell costs a line in its log
_SCHEMES: Final = ("amqp", "amqps")
# What the library raises when the broker or the network fails; the last for a channel that closed under a call.
_FAILURES: Final = (aiormq.AMQPError, PAMQPException, OSError, TimeoutError, EOFError, RuntimeError)
_SENTENCES: Final = (
    (
        (exceptions.AuthenticationError, exceptions.ProbableAuthenticationError),
        "RabbitMQ does not let in {address}: check user and password in AMQP_URL",
    ),
    (
        # The library reports a refusal of the virtual host as a frame that it did not expect.
        (exceptions.ConnectionNotAllowed, exceptions.InvalidFrameError),
        "RabbitMQ does not let in {address}: check the virtual host in AMQP_URL and who may use it",
    ),
    (
        (exceptions.ChannelNotFoundEntity, exceptions.PublishError),
        "RabbitMQ at {address} lacks a queue or exchange: {error}; run `certsmith migrate`",
    ),
    (
        (exceptions.ChannelAccessRefused,),
        "RabbitMQ does not permit this to {address}: {error}; `certsmith migrate` sets permissions",
    ),
    (
        (exceptions.ChannelPreconditionFailed,),
        "RabbitMQ at {address} has a queue or exchange of this name that is not ours: {error}",
    ),
    (
        (ssl.SSLError,),
        "RabbitMQ at {address} cannot be trusted: {error}; name its CA in AMQP_URL, as ?cafile=/path/ca.pem",
    ),
    ((TimeoutError,), "RabbitMQ at {address} did not answer in time"),
)


class _Transport(TransportFactory):
    """Opens the socket, puts the guard on what comes in, and can cut it."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._reader: GuardedReader | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:  # noqa: ANN401 - the library's signature
        provider = kwargs["ssl_context_provider"]
        context = await provider.get_context() if url.scheme == "amqps" else None
        reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
        keep_alive(writer.get_extra_info("socket"))
        self._writer, self._reader = writer, GuardedReader(reader)
        return cast("asyncio.StreamReader", self._reader), writer

    @property
    def silent_seconds(self) -> float:
        """For how long nothing has come, not even a heartbeat."""
        return time.monotonic() - self._reader.heard_at if self._reader else 0.0

    def cut(self) -> None:
        """Close the socket at once; whatever waits on it fails."""
        if self._writer is not None:
            self._writer.transport.abort()


class Session:
    """A connection with a channel, until it is lost."""

    def __init__(self, *, address: str, channel: Channel, transport: _Transport, heartbeat: int) -> None:
        self.address = address
        self._heartbeat = heartbeat
        self.channel = channel
        self._transport = transport

    @property
    def is_lost(self) -> bool:
        """Whether connection or channel have ended."""
        return self.channel.is_closed

    async def lost(self) -> None:
        """Return when connection or channel have ended, from whichever side; a silent connection is ended here."""
        closing = self.channel.closing
        while not (await asyncio.wait({closing}, timeout=_LOOK_SECONDS))[0]:
            if self.is_silent:
                await asyncio.sleep(_LOOK_SECONDS)  # perhaps it is we who were busy
                self.cut_if_silent()

    @property
    def is_silent(self) -> bool:
        """Whether not even heartbeats have come for longer than they should take."""
        return self._transport.silent_seconds > _SILENT_HEARTBEATS * (self._heartbeat or math.inf)

    def cut(self) -> None:
        """End the connection at once."""
        self._transport.cut()

    def cut_if_silent(self) -> None:
        """End the connection at once if nothing comes over it."""
        if self.is_silent:
            log.warning("broker_is_silent", address=self.address)
            self.cut()

    @asynccontextmanager
    async def asking(self, *, seconds: float = REPLY_SECONDS) -> AsyncIterator[Channel]:
        """Give the channel for one exchange with the broker, with a deadline.

        Raises:
            BrokerUnavailableError: it failed; whether the broker has seen it is unknown.
        """
        async with translated(self.address, seconds=seconds):
            yield self.channel

    async def consume(self, queue: str, on_message: Callable[[DeliveredMessage], None]) -> str:
        """Have *on_message* called for what comes into *queue*, and return the consumer's tag.

        It is called as things arrive and must not wait. When the broker ends the consumer the session ends.
        """

        async def deliver(delivered: DeliveredMessage) -> None:
            on_message(delivered)

        async with self.asking() as channel:
            consuming = await channel.basic_consume(queue, deliver)
        return str(consuming.consumer_tag)

    async def answer(self, delivery_tag: int, *, accept: bool) -> None:
        """Acknowledge a delivery, or give it back to be delivered again.

        An answer that cannot be sent is not sent again: with the channel the delivery itself has become void, and the
        broker delivers the message anew.
        """
        with suppress(BrokerUnavailableError):
            async with self.asking() as channel:
                if accept:
                    await channel.basic_ack(delivery_tag, wait=False)
                else:
                    await channel.basic_nack(delivery_tag, requeue=True, wait=False)


@asynccontextmanager
async def open_session(url: str, *, name: str, prefetch: int = 0) -> AsyncIterator[Session]:
    """Connect to *url* as *name*, for the length of the block; each consumer gets *prefetch* messages at a time.

    Raises:
        BrokerUnavailableError: the broker does not answer or does not let us in; the text says what to do.
    """
    address = address_of(url)
    transport = _Transport()
    connection = aiormq.Connection(_with_heartbeat(url), transport_factory=transport)
    try:
        async with translated(address, seconds=CONNECT_SECONDS):
            await connection.connect(client_properties={"connection_name": name})
            channel = cast("Channel", await connection.channel(on_return_raises=True))
            if prefetch:
                await channel.basic_qos(prefetch_count=prefetch)
        session = Session(address=address, channel=channel, transport=transport, heartbeat=connection.heartbeat_timeout)
        channel.on_consumer_cancel_callbacks.add(lambda _frame: session.cut())
        yield session
    finally:
        try:
            with suppress(BrokerUnavailableError):
                async with translated(address, seconds=_CLOSE_SECONDS):
                    await connection.close()
        finally:
            transport.cut()


@asynccontextmanager
async def translated(address: str, *, seconds: float) -> AsyncIterator[None]:
    """Give the block *seconds*, and turn what the library raises inside it into `BrokerUnavailableError`."""
    task = asyncio.current_task()
    assert task is not None
    cancellations = task.cancelling()
    try:
        async with asyncio.timeout(seconds):
            yield
    except asyncio.CancelledError:
        if task.cancelling() > cancellations:
            raise
        raise BrokerUnavailableError(f"the connection to RabbitMQ at {address} was lost") from None
    except _FAILURES as error:
        raise BrokerUnavailableError(_sentence(error, address)) from error


def address_of(url: str) -> str:
    """Return *url* as people may see it: without the password.

    Raises:
        SettingsError: it is no AMQP address.
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
    """Return the virtual host that *url* names; none is `/`."""
    return URL(url).path.removeprefix("/") or "/"


def _with_heartbeat(url: str) -> URL:
    parsed = URL(url)
    return parsed if "heartbeat" in parsed.query else parsed.update_query(heartbeat=HEARTBEAT_SECONDS)


def _sentence(error: BaseException, address: str) -> str:
    """Return what happened and what to do, for *error* of the library."""
    for kinds, sentence in _SENTENCES:
        if isinstance(error, kinds):
            return sentence.format(address=address, error=_text(error))
    return f"RabbitMQ at {address} does not answer ({_text(error)}): check that it runs, and AMQP_URL"


def _text(error: BaseException) -> str:
    if isinstance(error, exceptions.PublishError):  # carries the whole message
        return "nothing takes messages of this type"
    if isinstance(error, exceptions.ChannelInvalidStateError):  # shows itself as an object
        return "the connection was lost"
    return str(error) or type(error).__name__
