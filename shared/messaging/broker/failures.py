"""Turning the library's errors into `BrokerUnavailableError`, with a sentence that says what to do."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aio_pika import exceptions
from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed  # aio-pika raises them without naming them
from pamqp.exceptions import PAMQPException

from shared.errors import BrokerUnavailableError

# What the library raises when the broker or the network fails; RuntimeError when the channel closes during a call.
_FAILURES: Final = (exceptions.AMQPError, PAMQPException, OSError, TimeoutError, EOFError, RuntimeError)
_SENTENCES: Final = (
    (
        (exceptions.AuthenticationError, exceptions.ProbableAuthenticationError),
        "RabbitMQ does not let in {address}: check user and password in AMQP_URL",
    ),
    (
        # The library reports a refusal of the virtual host as a frame that it did not expect.
        (ConnectionNotAllowed, exceptions.InvalidFrameError),
        "RabbitMQ does not let in {address}: check the virtual host in AMQP_URL and who may use it",
    ),
    (
        (exceptions.ChannelNotFoundEntity, exceptions.PublishError),
        "RabbitMQ at {address} lacks a queue or exchange: {error}; run `certsmith migrate`",
    ),
    (
        (ChannelAccessRefused,),
        "RabbitMQ does not permit this to {address}: {error}; `certsmith migrate` sets permissions",
    ),
    (
        (exceptions.ChannelPreconditionFailed,),
        "RabbitMQ at {address} has a queue or exchange of this name that Certsmith did not make: {error}",
    ),
    (
        (ssl.SSLError,),
        "RabbitMQ at {address} cannot be trusted: {error}; name its CA in AMQP_URL, as ?cafile=/path/ca.pem",
    ),
    ((TimeoutError,), "RabbitMQ at {address} did not answer in time"),
)


@asynccontextmanager
async def translated(address: str, *, seconds: float) -> AsyncIterator[None]:
    """Give the block *seconds*, and turn what the library raises inside it into `BrokerUnavailableError`.

    When a connection dies, the library raises `CancelledError` in calls that were not cancelled. It becomes
    `BrokerUnavailableError` too, unless the current task really was cancelled.
    """
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
    except Exception as error:
        # A peer that closed the connection without an error makes aiormq fail every pending call with a bare Exception.
        if not isinstance(error, _FAILURES) and type(error) is not Exception:
            raise
        raise BrokerUnavailableError(_sentence(error, address)) from error


def _sentence(error: BaseException, address: str) -> str:
    for kinds, sentence in _SENTENCES:
        if isinstance(error, kinds):
            return sentence.format(address=address, error=_text(error))
    return f"RabbitMQ at {address} does not answer ({_text(error)}): check that it runs, and AMQP_URL"


def _text(error: BaseException) -> str:
    if isinstance(error, exceptions.PublishError):  # its text holds the whole message
        return "no queue accepts messages of this type"
    # The text of the first is the repr of an object, the second has none.
    if isinstance(error, exceptions.ChannelInvalidStateError) or type(error) is Exception:
        return "the connection was lost"
    return str(error) or type(error).__name__
