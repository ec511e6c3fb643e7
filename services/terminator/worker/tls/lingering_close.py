"""The end of a connection to which something was said last: an alert, a page.

Closing a socket with bytes unread sends a reset, and a reset takes the last words away from the client that had not
read them yet. So our side ends, what still comes is thrown away, and the socket is closed when the client has closed
too, or has had its time.
"""

import asyncio
from typing import Final

from services.terminator.worker.resources import Resources

MAX_DISCARDED_BYTES: Final = 1 << 20


class Parting(asyncio.BufferedProtocol):
    """Throws away what a client still says."""

    __slots__ = ("_discarded", "_resources", "_transport")

    def __init__(self, resources: Resources, transport: asyncio.Transport) -> None:
        self._resources = resources
        self._transport = transport
        self._discarded = 0

    @classmethod
    def begin(cls, resources: Resources, transport: asyncio.Transport, last_words: bytes) -> None:
        """Say *last_words* and end *transport*."""
        if transport.is_closing():
            return
        transport.set_protocol(cls(resources, transport))
        if last_words:
            transport.write(last_words)
        transport.write_eof()
        transport.resume_reading()
        resources.partings.add(transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to read to."""
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        """Throw away what came."""
        self._discarded += nbytes
        if self._discarded > MAX_DISCARDED_BYTES:
            self._transport.abort()

    def eof_received(self) -> bool:
        """Close: the client has closed too."""
        return False

    def late(self) -> None:
        """Close: the client had its time."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is over."""
        self._resources.partings.discard(self._transport)
        self._resources.connections.discard(self._transport)
