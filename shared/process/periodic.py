"""A chore that is done every few seconds: counting a backlog, deleting old rows, sending reminders."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.errors import StoreUnavailableError
from shared.process.backoff import wait_at_most

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def every(seconds: float, chore: Callable[[], Awaitable[None]], stop: asyncio.Event, *, name: str) -> None:
    """Do *chore* now and every *seconds* until *stop* is set; without the database this time's is left out.

    The log calls it *name*.
    """
    while not stop.is_set():
        try:
            await chore()
        except StoreUnavailableError as error:
            log.debug("chore_left_out", chore=name, reason=str(error))
        await wait_at_most(stop, seconds)
