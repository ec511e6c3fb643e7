"""Shared by the tests of the bus: waiting, running, a handler with visible effects, and a proxy that cuts or stalls."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

import aiormq
from pamqp.commands import Basic

from dev import waiting
from dev.servers.broker import Broker
from dev.waiting import PATIENCE_SECONDS, finished
from shared.events import DomainCreated, Event, Incoming
from shared.messaging import dead_letters
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Subscription
from shared.store import Connection, Pool

MakeConsumer = Callable[..., Consumer]
Run = Callable[[asyncio.Event], Awaitable[None]]


def manager_url(broker: Broker) -> str:
    """Return the address of *broker*'s management API with the administrator's login."""
    scheme, _, rest = broker.management_url.partition("://")
    return f"{scheme}://{broker.user}:{broker.password}@{rest}"


async def until(holds: Callable[[], Awaitable[bool]], what: str, *, patience: float = PATIENCE_SECONDS) -> None:
    """Return when *holds* does; fail, naming *what* was waited for, as `dev.waiting.until` does."""
    await waiting.until(holds, what, patience=patience)


@asynccontextmanager
async def running(run: Run) -> AsyncIterator[asyncio.Event]:
    """Let *run* run for the length of the block, then stop it and wait for its end; yield its stop."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await finished(task, "the end of what runs")


def a_request(domain: str = "shop.example", **envelope: str) -> Event:
    """Return a request to create *domain*."""
    return Event(data=DomainCreated(domain=domain), source="platform", **envelope)  # type: ignore[arg-type]  # texts all


EFFECTS: Final = """
    CREATE TABLE public.effects (id bigint GENERATED ALWAYS AS IDENTITY, event_id text, domain text);
    GRANT ALL ON public.effects TO PUBLIC;
"""


class Effects:
    """A handler whose effect is a row, and reading these rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def handle(self, connection: Connection, event: Incoming) -> None:
        """Insert a row for *event*."""
        assert isinstance(event.data, DomainCreated)
        await connection.execute(
            "INSERT INTO public.effects (event_id, domain) VALUES ($1, $2)", event.id, event.data.domain
        )

    def subscription(self) -> Subscription:
        """Return the subscription to `domain.created` with this handler."""
        return Subscription(DomainCreated.type, self.handle)

    async def domains(self) -> list[str]:
        """Return the domains of all effects, in the order of their commits or nearly so."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch("SELECT domain FROM public.effects ORDER BY id")
        return [row["domain"] for row in rows]

    async def any(self) -> bool:
        """Return whether there is an effect."""
        return bool(await self.domains())

    async def are(self, *domains: str) -> bool:
        """Return whether there is exactly one effect for each of *domains*."""
        return sorted(await self.domains()) == sorted(domains)


class Proxy:
    """A TCP proxy on loopback that can reset its connections, or stop forwarding their bytes."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        self._open.set()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def swallow(self) -> None:
        """Stop forwarding in both directions, with the connections still open."""
        self._open.clear()

    def carry(self) -> None:
        """Forward again, on new connections; the old ones are reset."""
        self.cut()
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            self._writers.add(far_writer)
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


async def say(channel: aiormq.Channel, body: bytes, *, key: str = "domain.created", **properties: Any) -> None:
    """Publish a request as any AMQP client may."""
    await channel.basic_publish(
        body, exchange="certsmith.public", routing_key=key, properties=Basic.Properties(delivery_mode=2, **properties)
    )


async def letters(operator_pool: Pool) -> list[DeadLetter]:
    """Return all dead letters."""
    async with operator_pool.acquire() as connection:
        return [stored.letter for stored in await dead_letters.list_newest(connection)]


async def until_letters(operator_pool: Pool, count: int) -> list[DeadLetter]:
    """Return the dead letters once there are *count*."""

    async def there() -> bool:
        return len(await letters(operator_pool)) == count

    await until(there, f"{count} dead letters")
    return await letters(operator_pool)
