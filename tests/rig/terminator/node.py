"""A node with real workers on loopback, in front of a store in memory."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dev import waiting
from dev.waiting import finished
from services.terminator.control.node import Node
from services.terminator.control.sockets import open_slots, port_of
from services.terminator.control.workers import Patience
from services.terminator.rules.selection import Domain
from services.terminator.settings import TerminatorSettings
from shared.vault import KeyReader
from tests.fakes.terminator_store import MemoryStore, trusting_context

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Rig:
    """A running node."""

    node: Node
    store: MemoryStore
    https_port: int
    http_port: int
    stop: asyncio.Event

    async def tls(
        self, name: str | None, *, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a TLS connection that asked for *name*."""
        return await asyncio.open_connection(
            LOOPBACK, self.https_port, ssl=context or trusting_context(), server_hostname=name or ""
        )

    async def get(self, name: str, *, context: ssl.SSLContext | None = None, path: str = "/") -> bytes:
        """Return the whole answer to a GET over TLS."""
        reader, writer = await self.tls(name, context=context)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        try:
            return await finished(reader.read(), "the end of the connection")
        finally:
            writer.transport.abort()

    async def shown(self, name: str, *, context: ssl.SSLContext | None = None) -> bytes:
        """Return the leaf (DER) that is shown for *name*."""
        _, writer = await self.tls(name, context=context)
        leaf: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return leaf

    async def host(self, domain: Domain) -> Domain:
        """Store *domain* as the next version of its row, and wait until the node has acted on the hint."""
        written = self.store.put(domain)
        self.node.hint(domain.name)
        await until(lambda: self.node.is_settled, "all hints are acted on")
        return written

    async def forget(self) -> None:
        """Remove all rows, and wait until the node has acted on the hints."""
        asked = {name for names in self.store.asked for name in names}
        self.store.reset()
        for name in asked:
            self.node.hint(name)
        await until(lambda: self.node.is_settled, "all hints are acted on")
        self.store.reset()

    async def plain(self, data: bytes) -> bytes:
        """Return the whole answer to *data* on port 80."""
        return await self.exchange(self.http_port, data)

    async def exchange(self, port: int, *portions: bytes) -> bytes:
        """Send *portions* to *port* and return the whole answer."""
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            for portion in portions:
                writer.write(portion)
                await writer.drain()
            return await finished(reader.read(), "the end of the connection")
        finally:
            writer.transport.abort()


@asynccontextmanager
async def running_node(
    store: MemoryStore,
    reader: KeyReader,
    *,
    workers: int = 1,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    **changes: object,
) -> AsyncIterator[Rig]:
    """Yield a node whose workers accept connections; it is drained at the end of the block."""
    settings = TerminatorSettings.model_validate(
        {
            "workers": workers,
            "node": "node-1",
            "upstream_allow": ("127.0.0.0/8", "::1/128"),
            "grace_seconds": 1.0,
            "poll_seconds": 600.0,
            **changes,
        }
    )
    with open_slots(workers, https=(LOOPBACK, 0), http=(LOOPBACK, 0)) as slots:
        node = Node(settings, slots, store, reader, patience=patience)
        stop = asyncio.Event()
        rig = Rig(node, store, port_of(slots[0].https), port_of(slots[0].http), stop)
        running = asyncio.create_task(node.run(stop))
        try:
            await until(lambda: node.workers.missing == 0, "all workers accept connections", unless=running)
            yield rig
        finally:
            stop.set()
            await running


async def until(holds: Callable[[], bool], what: str, *, unless: "asyncio.Task[None] | None" = None) -> None:
    """Wait until *holds* returns True; fail as `dev.waiting.until` does, or when *unless* has failed."""

    async def look() -> bool:
        if unless is not None and unless.done():
            await unless
        return holds()

    await waiting.until(look, f"that {what}")


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def upstream(handle: Handler) -> AsyncIterator[str]:
    """Yield the address of an upstream that handles each connection with *handle*."""
    server = await asyncio.start_server(handle, LOOPBACK, 0)
    async with server:
        yield f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Echo all bytes, and end when the client has ended."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one HTTP request."""
    try:
        request = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:  # a visitor that only looks at the certificate
        writer.close()
        return
    line = request.split(b"\r\n")[0]
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(line), line))
    await writer.drain()
    writer.close()
