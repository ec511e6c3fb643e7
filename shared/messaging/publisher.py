"""Publishing messages, each confirmed by the broker or reported as an error."""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import structlog

from shared.errors import BrokerUnavailableError
from shared.events import Event
from shared.messaging.broker.failures import translated
from shared.messaging.broker.link import REPLY_SECONDS, Session, address_of, open_session, user_of
from shared.messaging.broker.names import PUBLIC_EXCHANGE
from shared.messaging.codec.cloudevents import encode
from shared.messaging.message import Message, outgoing
from shared.process.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

PUBLISH_SECONDS: Final = 30.0


class Publisher:
    """Sends messages over one connection, opened at the first use and again after each loss.

    Any number of tasks may send at the same time; beyond 64 unconfirmed messages only the delay grows, not the rate.
    """

    def __init__(self, url: str, *, name: str) -> None:
        self._url = url
        self._name = name
        self._address = address_of(url)
        self._user = user_of(url)
        self._connecting = asyncio.Lock()
        self._session: Session | None = None
        self._stack = AsyncExitStack()
        self._trouble: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection; it is opened at the first use."""
        return self._session is not None and not self._session.is_lost

    async def publish(self, event: Event, *, seconds: float = PUBLISH_SECONDS) -> None:
        """Send *event* to the exchange of its type; return when the broker has confirmed it.

        Raises:
            BrokerUnavailableError: it was not confirmed within *seconds*; whether it was sent is unknown.
        """
        await self.send(encode(event), seconds=seconds)

    async def send(self, message: Message, *, seconds: float = PUBLISH_SECONDS) -> None:
        """Send *message* to its exchange, again after each failure; return when the broker has confirmed it.

        A request that no queue accepts is an error; a fact that has no listeners is not.

        Raises:
            BrokerUnavailableError: it was not confirmed within *seconds*; whether it was sent is unknown.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        backoff = Backoff()
        why: BrokerUnavailableError | None = None
        while True:
            try:
                return await self._try(message, seconds=min(REPLY_SECONDS, deadline - loop.time()))
            except BrokerUnavailableError as error:
                if why is None or not isinstance(error.__cause__, TimeoutError):
                    why = error  # a timeout of the last try says less than the error before it
                delay = backoff.delay()
                if loop.time() + delay >= deadline:
                    raise why from why.__cause__
                log.debug("publish_retried", type=message.routing_key, reason=str(error), message_id=message.message_id)
                await asyncio.sleep(delay)

    async def _try(self, message: Message, *, seconds: float) -> None:
        session: Session | None = None
        try:
            async with translated(self._address, seconds=seconds):
                session = await self._connected()
                await session.publish(
                    outgoing(message, user_id=self._user),  # the broker verifies the user, so consumers can trust it
                    exchange=message.exchange,
                    routing_key=message.routing_key,
                    mandatory=message.exchange == PUBLIC_EXCHANGE,
                )
        except BrokerUnavailableError as error:
            if session is not None:
                session.cut_if_silent()  # the next try must not wait on it
            self._note(str(error))
            raise

    def _note(self, trouble: str | None) -> None:
        """Log the first failure of a series, not every one."""
        if trouble is not None and self._trouble is None:
            log.warning("publisher_in_trouble", reason=trouble)
        self._trouble = trouble

    async def _connected(self) -> Session:
        async with self._connecting:
            if self._session is None or self._session.is_lost:
                self._session = None
                await self._stack.aclose()
                self._session = await self._stack.enter_async_context(open_session(self._url, name=self._name))
                log.info("publisher_connected", address=self._address)
                self._note(None)
            return self._session
