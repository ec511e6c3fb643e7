"""The composition root: the sockets and the node come first, the database and the broker as soon as they answer.

A terminator serves before they answer, and while they are down. `Node` runs in parallel, and waits for the database
only to look up a name that it does not know yet.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import structlog

from services.terminator.adapters.postgres import SERVICE, PostgresStore
from services.terminator.control.node import Node
from services.terminator.control.sockets import open_slots, port_of
from services.terminator.handlers import HINTS, Handlers
from services.terminator.settings import TerminatorSettings
from shared.errors import StoreUnavailableError
from shared.messaging.listener import NodeListener
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.process.health import health_server
from shared.process.lifecycle import leaving
from shared.store import open_pool
from shared.vault import KeyFiles

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_POOL_SIZE: Final = 1  # the relay has a second connection to the database, of its own
_RELAYING_SECONDS: Final = 1.0  # to send the last published events, after the last worker has exited
_CHECK_SECONDS: Final = 3.0  # a readiness probe does not wait longer


async def serve(settings: TerminatorSettings, keys: KeyFiles, stop: asyncio.Event) -> None:
    """Serve until *stop* is set; then drain, at most for the grace period."""
    reader = keys.key_reader()
    store = PostgresStore(settings.node)
    async with AsyncExitStack() as stack:
        slots = stack.enter_context(
            open_slots(
                settings.workers,
                https=(settings.https_address, settings.https_port),
                http=(settings.http_address, settings.http_port),
            )
        )
        node = Node(settings, slots, store, reader)
        listener = _listener(settings, node)
        log.info(
            "listening",
            node=settings.node,
            https_port=port_of(slots[0].https),
            http_port=port_of(slots[0].http),
            workers=len(slots),
        )

        async def missing() -> dict[str, str]:
            return await _missing(node, store, listener)

        await stack.enter_async_context(health_server(settings.metrics_host, settings.metrics_port, missing, stop=stop))
        # Events that are published while the last connections drain are still sent.
        served = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listener.run(served))
            async with leaving(served, seconds=_RELAYING_SECONDS), asyncio.TaskGroup() as using:
                store_task = using.create_task(_use_store(settings, store, served))
                await node.run(stop)
                served.set()
                if store.is_waiting:
                    store_task.cancel()
            listening.cancel()


def _listener(settings: TerminatorSettings, node: Node) -> NodeListener:
    handlers = Handlers(node)
    return NodeListener(
        settings.amqp_url.get_secret_value(),
        service=SERVICE,
        types=HINTS,
        on_event=handlers.on_event,
        on_connected=handlers.on_connected,
    )


async def _use_store(settings: TerminatorSettings, store: PostgresStore, served: asyncio.Event) -> None:
    """Give *store* a pool as soon as the database answers, and relay published events, until *served*."""
    database_url, amqp_url = settings.database_url.get_secret_value(), settings.amqp_url.get_secret_value()
    async with (
        open_pool(database_url, role="terminator", max_size=_POOL_SIZE) as pool,
        Publisher(amqp_url, name="certsmith terminator relay") as sender,
    ):
        with store.using(pool):
            await Relay(database_url, pool, sender, service="terminator").run(served)


async def _missing(node: Node, store: PostgresStore, listener: NodeListener) -> dict[str, str]:
    """Return what keeps this node from serving every name in its current state, as `health.Missing` wants it."""
    found = {}
    if node.workers.missing:
        found["workers"] = f"{node.workers.missing} of them do not accept connections"
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await store.check()
    except (StoreUnavailableError, TimeoutError) as error:
        found["database"] = str(error) or f"no answer in {_CHECK_SECONDS:g} s"
    if listener.trouble:
        found["broker"] = listener.trouble
    return found
