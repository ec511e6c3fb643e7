"""The upstream: a web server without TLS, like a customer's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dev.ports import LOOPBACK

_HEAD: Final = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Serve while the block runs, and yield the upstream's URL."""
    server = await asyncio.start_server(_answer, LOOPBACK, 0)
    async with server:
        yield f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, whatever its path, with its host name."""
    try:
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            hosts = [line[5:].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"host:")]
            body = b"hello from " + (hosts[0] if hosts else b"an unnamed host") + b"\n"
            writer.write(_HEAD.format(length=len(body)).encode() + body)
            await writer.drain()
    except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
        return
    finally:
        writer.close()
