"""What the provisioner measures: what became of orders, how long they took, and what waits."""

import asyncio
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.provisioner.store.backlog import Backlog, read_backlog
from shared.errors import StoreUnavailableError
from shared.process.backoff import wait_at_most
from shared.registry.order_states import FINISHED, OrderState
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

FINISHED_ORDERS: Final = Counter("provisioner_orders_total", "Orders that ended, by how.", ["state"])
TROUBLES: Final = Counter(
    "provisioner_troubles_total", "Times that an order could not go on, by the reason's code.", ["error_code"]
)
ISSUANCE_SECONDS: Final = Histogram(
    "provisioner_issuance_seconds",
    "From opening an order to its certificate.",
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 86400),
)
IN_HAND: Final = Gauge("provisioner_orders_in_hand", "Orders that this process is working on.")
UNFINISHED: Final = Gauge("provisioner_orders_unfinished", "Unfinished orders of all processes, by state.", ["state"])
OVERDUE_SECONDS: Final = Gauge(
    "provisioner_orders_overdue_seconds", "For how long the order that waits longest has been due; 0: none is."
)
OUTBOX_EVENTS: Final = Gauge("provisioner_outbox_events", "Events of the provisioner that wait to be relayed.")
OUTBOX_AGE_SECONDS: Final = Gauge("provisioner_outbox_age_seconds", "For how long the oldest of them has waited.")

_EVERY_SECONDS: Final = 10.0


async def watch_backlog(pool: Pool, stop: asyncio.Event) -> None:
    """Keep the figures of what waits up to date until *stop* is set."""
    while not stop.is_set():
        try:
            async with pool.acquire() as connection:
                _show(await read_backlog(connection))
        except StoreUnavailableError as error:
            log.debug("backlog_unknown", reason=str(error))
        await wait_at_most(stop, _EVERY_SECONDS)


def _show(backlog: Backlog) -> None:
    for state in OrderState:
        if state not in FINISHED:
            UNFINISHED.labels(state).set(backlog.unfinished.get(state, 0))
    OVERDUE_SECONDS.set(backlog.overdue_seconds)
    OUTBOX_EVENTS.set(backlog.outbox_events)
    OUTBOX_AGE_SECONDS.set(backlog.outbox_age_seconds)
