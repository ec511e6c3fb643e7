"""Forgetting, after a while, the uploads of which nothing is stored: their identifiers can be used again."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from services.validator.store import uploads
from shared.errors import StoreUnavailableError
from shared.process.backoff import wait_at_most
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

RECORDS_KEPT: Final = timedelta(days=30)  # longer than a sealed key lives, and than any copy of a message takes to come
_EVERY_SECONDS: Final = 600.0
_AT_ONCE: Final = 1000


async def prune(pool: Pool, stop: asyncio.Event) -> None:
    """Delete old records now and then, in pieces, so that nothing waits for it, until *stop* is set."""
    while not await wait_at_most(stop, _EVERY_SECONDS):
        try:
            pruned = _AT_ONCE
            while pruned == _AT_ONCE and not stop.is_set():
                async with pool.acquire() as connection:
                    pruned = await uploads.prune(connection, older_than=RECORDS_KEPT, limit=_AT_ONCE)
        except StoreUnavailableError as error:
            log.warning("uploads_not_pruned", reason=str(error))
