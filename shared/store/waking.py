"""Waking a worker when PostgreSQL sends a NOTIFY that there may be work."""

import asyncio
from typing import Final

import structlog

from shared.errors import StoreUnavailableError
from shared.process.backoff import first_of, wait_at_most
from shared.store.pool import open_connection
from shared.store.roles import Role

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_LISTEN_AGAIN_SECONDS: Final = 1.0


async def wake_on_notify(
    database_url: str, wake: asyncio.Event, stop: asyncio.Event, *, role: Role, channel: str
) -> None:
    """Set *wake* at each NOTIFY on *channel*, and after each new connection, until *stop* is set.

    Without a connection no work is lost: the worker also polls.
    """
    while not stop.is_set():
        ended = asyncio.Event()
        try:
            async with open_connection(database_url, role=role) as connection:
                connection.add_termination_listener(lambda _connection, ended=ended: ended.set())
                await connection.add_listener(channel, lambda *_notification: wake.set())
                wake.set()
                await first_of(stop.wait(), ended.wait())
        except StoreUnavailableError as error:
            log.debug("not_listening", role=role, reason=str(error))
        await wait_at_most(stop, _LISTEN_AGAIN_SECONDS)
