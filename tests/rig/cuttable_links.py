"""Links to servers that can be cut, so that a server is unreachable for one service only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from dev.ports import LOOPBACK, free_port

_READ_BYTES: Final = 65_536


class Wire:
    """A TCP forwarder from a port of its own to the server that *url* names; it can be cut and restored."""

    def __init__(self, url: str) -> None:
        self._parts: Final = urlsplit(url)
        self._port: Final = free_port()
        self._server: asyncio.Server | None = None
        self._passing: Final[set[asyncio.Task[None]]] = set()

    @property
    def url(self) -> str:
        """The server's address through this forwarder."""
        login, _, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{login}@{LOOPBACK}:{self._port}").geturl()

    async def restore(self) -> None:
        """Accept and forward connections from now on."""
        self._server = await asyncio.start_server(self._pass_on, LOOPBACK, self._port)

    async def cut(self) -> None:
        """End all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._passing:
            task.cancel()
        if self._passing:
            await asyncio.wait(self._passing)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        there: asyncio.StreamWriter | None = None
        try:
            from_there, there = await asyncio.open_connection(self._parts.hostname, self._parts.port)
            await asyncio.gather(_pump(reader, there), _pump(from_there, writer))
        except (OSError, asyncio.CancelledError):
            return  # cut, or ended by one side: both ends go
        finally:
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_READ_BYTES):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError("one side has ended")


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """Yield a wire to the server that *url* names, which forwards until it is cut."""
    wire = Wire(url)
    await wire.restore()
    try:
        yield wire
    finally:
        await wire.cut()
