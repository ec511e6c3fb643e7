"""Keeps the metrics of waiting orders and events up to date."""

import asyncio
from functools import partial
from typing import Final

from services.provisioner.metrics import OUTBOX_AGE_SECONDS, OUTBOX_EVENTS, OVERDUE_SECONDS, UNFINISHED
from services.provisioner.store.backlog import read_backlog
from services.provisioner.store.events import SERVICE
from shared.events import OrderState
from shared.messaging.outbox import backlog as outbox
from shared.process.periodic import every
from shared.registry.order_states import FINISHED
from shared.store import Pool

_EVERY_SECONDS: Final = 10.0


async def watch_backlog(pool: Pool, stop: asyncio.Event) -> None:
    """Count what waits every few seconds until *stop* is set."""
    await every(_EVERY_SECONDS, partial(_count, pool), stop, name="backlog")


async def _count(pool: Pool) -> None:
    async with pool.acquire() as connection:
        orders = await read_backlog(connection)
        events = await outbox.read_backlog(connection, SERVICE)
    for state in OrderState:
        if state not in FINISHED:
            UNFINISHED.labels(state).set(orders.unfinished.get(state, 0))
    OVERDUE_SECONDS.set(orders.overdue_seconds)
    OUTBOX_EVENTS.set(events.events)
    OUTBOX_AGE_SECONDS.set(events.age_seconds)
