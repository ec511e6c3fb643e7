"""Deleting old rows of uploads that have no stored certificate; their identifiers can be used again."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

from services.validator.store import uploads
from shared.process.periodic import every
from shared.store import Pool

# Longer than a sealed key is valid, and longer than any copy of an event can be on its way.
RECORDS_KEPT: Final = timedelta(days=30)
_EVERY_SECONDS: Final = 600.0
_AT_ONCE: Final = 1000


async def prune(pool: Pool, stop: asyncio.Event) -> None:
    """Delete old records now and then until *stop* is set."""
    await every(_EVERY_SECONDS, partial(_prune, pool, stop), stop, name="pruning")


async def _prune(pool: Pool, stop: asyncio.Event) -> None:
    """Delete old records in pieces, so that no other transaction waits for long."""
    pruned = _AT_ONCE
    while pruned == _AT_ONCE and not stop.is_set():
        async with pool.acquire() as connection:
            pruned = await uploads.prune(connection, older_than=RECORDS_KEPT, limit=_AT_ONCE)
