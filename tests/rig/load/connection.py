"""One connection of a visitor, with TLS on memory BIOs.

So a session can be resumed, and it is known when the handshake began.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final, Self, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60.0  # for anything: generous, the machine may be busy with other work
_READ_BYTES: Final = 65_536


class UnexpectedEndError(Exception):
    """The other side has ended what it should not have."""


class Connection:
    """TLS to *host*, wherever it is; nothing has been said before `shake_hands`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        host: str,
        session: ssl.SSLSession | None,
    ) -> None:
        self._reader: Final = reader
        self._writer: Final = writer
        self._incoming: Final = ssl.MemoryBIO()
        self._outgoing: Final = ssl.MemoryBIO()
        self.tls: Final = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        self.greeted_at = 0.0
        """By the clock that all processes of a machine share (`time.monotonic`)."""

    @classmethod
    async def open(
        cls, address: str, port: int, *, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None
    ) -> Self:
        """Return a connection to *address*, which will resume *session* if the server wants to."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return cls(*await asyncio.open_connection(address, port), context, host, session)

    async def shake_hands(self) -> None:
        """Shake hands, and verify chain and name."""
        self.greeted_at = time.monotonic()
        await self._through(self.tls.do_handshake)

    async def ask(self, line: bytes) -> bytes:
        """Send *line* and return the line that is answered."""
        await self.say(line)
        answer = b""
        while not answer.endswith(b"\n"):
            part = await self.read()
            if not part:
                raise UnexpectedEndError(f"the end came after {answer!r}")
            answer += part
        return answer

    async def say(self, data: bytes) -> None:
        """Send *data*."""
        await self._through(lambda: self.tls.write(data))

    async def read(self) -> bytes:
        """Return what comes next; nothing when the other side has said that this is the end (close_notify)."""
        return await self._through(self._read)

    async def close(self) -> None:
        """Say that this is the end, and wait for the other side to say so too, in TLS and in TCP."""
        await self._through(self.tls.unwrap)
        if await self._receive():
            raise UnexpectedEndError("something was said after close_notify")
        self._writer.close()

    def abort(self) -> None:
        """Let go, whatever has been said."""
        self._writer.transport.abort()

    def _read(self) -> bytes:
        try:
            return self.tls.read(_READ_BYTES)
        except ssl.SSLZeroReturnError:
            return b""

    async def _through(self, step: Callable[[], T]) -> T:
        """Return what *step* returns once it needs nothing more from the other side."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._receive()
                if not data:
                    raise UnexpectedEndError("TCP ended before TLS did") from None
                self._incoming.write(data)
            else:
                await self._flush()
                return result

    async def _receive(self) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read(_READ_BYTES)

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            self._writer.write(data)
            await self._writer.drain()
