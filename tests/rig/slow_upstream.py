"""An upstream that sends a large download, the second half of it on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dev.ports import LOOPBACK

DOWNLOAD: Final = b"download\n"
_CHUNK: Final = bytes(range(256)) * 256
_CHUNKS: Final = 100  # 6.5 MB: more than all buffers on the way hold


class Downloads:
    """Answers `DOWNLOAD` with `whole`, and any other line with itself."""

    whole: Final = _CHUNK * _CHUNKS

    def __init__(self) -> None:
        self.address = ""
        self.go_on: Final = asyncio.Event()
        """Set it, and the second half is sent."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the lines of one connection."""
        try:
            while line := await reader.readline():
                if line != DOWNLOAD:
                    writer.write(line)
                    continue
                for number in range(_CHUNKS):
                    if number == _CHUNKS // 2:
                        await self.go_on.wait()
                    writer.write(_CHUNK)
                    await writer.drain()
                return
        except ConnectionError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def open_downloads() -> AsyncIterator[Downloads]:
    """Yield the upstream, at its `address`."""
    downloads = Downloads()
    async with await asyncio.start_server(downloads.serve, LOOPBACK, 0) as server:
        downloads.address = f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        yield downloads
        downloads.go_on.set()
