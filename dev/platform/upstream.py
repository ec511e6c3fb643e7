"""A customer's server behind the terminators: answers each line with its name and the line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dev.ports import LOOPBACK, free_port


@asynccontextmanager
async def open_upstream(name: str) -> AsyncIterator[str]:
    """Yield the address, as `tcp://host:port`, of a server that answers every line with its *name* and the line."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(name.encode() + b": " + line)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    port = free_port()
    server = await asyncio.start_server(answer, LOOPBACK, port)
    try:
        yield f"tcp://{LOOPBACK}:{port}"
    finally:
        server.close()
