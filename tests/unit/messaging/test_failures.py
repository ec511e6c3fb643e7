"""Errors of the AMQP library become `BrokerUnavailableError`, and no others do."""

import asyncio

import pytest
from aio_pika.exceptions import AMQPConnectionError, ChannelInvalidStateError
from aiormq.base import FutureStore

from shared.errors import BrokerUnavailableError
from shared.messaging.broker.failures import translated


@pytest.mark.parametrize(
    "error", [AMQPConnectionError(), ChannelInvalidStateError(), ConnectionResetError(), EOFError(), TimeoutError()]
)
async def test_an_error_of_the_library_is_translated(error: Exception) -> None:
    with pytest.raises(BrokerUnavailableError, match="RabbitMQ at guest@broker"):
        async with translated("guest@broker", seconds=1):
            raise error


async def test_the_bare_exception_of_a_call_on_a_connection_that_was_closed_is_translated() -> None:
    store = FutureStore(asyncio.get_running_loop())
    pending = store.create_future()
    await store.reject_all(None)  # as aiormq does when the peer closes the connection without an error

    with pytest.raises(BrokerUnavailableError, match="the connection was lost"):
        async with translated("guest@broker", seconds=1):
            await pending


async def test_a_cancellation_that_nobody_asked_for_is_translated() -> None:
    with pytest.raises(BrokerUnavailableError, match="was lost"):
        async with translated("guest@broker", seconds=1):
            raise asyncio.CancelledError


async def test_a_real_cancellation_goes_through() -> None:
    async def wait() -> None:
        async with translated("guest@broker", seconds=60):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_bug_goes_through_unchanged() -> None:
    with pytest.raises(KeyError):
        async with translated("guest@broker", seconds=1):
            raise KeyError
