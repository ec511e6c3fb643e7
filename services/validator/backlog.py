"""Keeps the metrics of waiting uploads and events up to date."""

import asyncio
from functools import partial
from typing import Final

from services.validator.metrics import OLDEST_SECONDS, OUTBOX_AGE_SECONDS, OUTBOX_EVENTS, WAITING
from services.validator.store.backlog import read_backlog
from services.validator.store.events import SERVICE
from shared.messaging.outbox import backlog as outbox
from shared.process.periodic import every
from shared.store import Pool

_EVERY_SECONDS: Final = 10.0


async def watch_backlog(pool: Pool, stop: asyncio.Event) -> None:
    """Count what waits every few seconds until *stop* is set."""
    await every(_EVERY_SECONDS, partial(_count, pool), stop, name="backlog")


async def _count(pool: Pool) -> None:
    async with pool.acquire() as connection:
        uploads = await read_backlog(connection)
        events = await outbox.read_backlog(connection, SERVICE)
    WAITING.set(uploads.uploads)
    OLDEST_SECONDS.set(uploads.age_seconds)
    OUTBOX_EVENTS.set(events.events)
    OUTBOX_AGE_SECONDS.set(events.age_seconds)
