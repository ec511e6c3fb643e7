"""The composition root: the sockets and the node first, then the ways to database and broker, as soon as they answer.

A terminator serves before they do, and while they are away: `Node` runs beside them, and never waits for them but in a
question about a name that it does not know.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import structlog

from services.terminator.adapters.postgres import SERVICE, PostgresStore
from services.terminator.control.node import Node
from services.terminator.control.sockets import open_slots, port_of
from services.terminator.settings import TerminatorSettings
from shared.errors import StoreUnavailableError
from shared.events import CertificateReady, CertificateRevoked, DomainChanged, Incoming
from shared.messaging.listener import NodeListener
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.process.health import health_server
from shared.process.lifecycle import leaving
from shared.store import open_pool
from shared.vault import KeyFiles

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

HINTS: Final = (CertificateReady.type, CertificateRevoked.type, DomainChanged.type)
# With the relay's own connection there are two to the database.
_POOL_SIZE: Final = 1
_TELLING_SECONDS: Final = 1.0  # for what was told last, after the last worker has ended
_CHECK_SECONDS: Final = 3.0  # who asks whether the process is ready does not wait long


async def serve(settings: TerminatorSettings, keys: KeyFiles, stop: asyncio.Event) -> None:
    """Terminate until *stop* is set, then until what is open has ended, or the grace period."""
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
        # What is told while the last connections end is still sent.
        served = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listener.run(served))
            async with leaving(served, seconds=_TELLING_SECONDS), asyncio.TaskGroup() as using:
                store_task = using.create_task(_use_store(settings, store, served))
                await node.run(stop)
                served.set()
                if store.is_waiting:
                    store_task.cancel()
            listening.cancel()


def _listener(settings: TerminatorSettings, node: Node) -> NodeListener:
    async def on_event(event: Incoming) -> None:
        match event.data:
            case CertificateReady(domains=domains):
                for item in domains:
                    node.hint(item.domain, cause=event.cause)
            case DomainChanged(domain=domain):
                node.hint(domain, cause=event.cause)
            case CertificateRevoked(certificate_id=certificate_id):
                node.hint_certificate(certificate_id, cause=event.cause)
            case _:
                raise AssertionError(event.type)

    async def on_connected() -> None:
        node.catch_up()

    url = settings.amqp_url.get_secret_value()
    return NodeListener(url, service=SERVICE, types=HINTS, on_event=on_event, on_connected=on_connected)


async def _use_store(settings: TerminatorSettings, store: PostgresStore, served: asyncio.Event) -> None:
    """Read rows, and relay what is told, from when the database answers until *served*."""
    database_url, amqp_url = settings.database_url.get_secret_value(), settings.amqp_url.get_secret_value()
    async with (
        open_pool(database_url, role="terminator", max_size=_POOL_SIZE) as pool,
        Publisher(amqp_url, name="certsmith terminator relay") as sender,
    ):
        with store.using(pool):
            await Relay(database_url, pool, sender, service="terminator").run(served)


async def _missing(node: Node, store: PostgresStore, listener: NodeListener) -> dict[str, str]:
    """Return what keeps this node from serving everything, as soon as it changes."""
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
