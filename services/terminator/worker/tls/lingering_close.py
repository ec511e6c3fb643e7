"""Lingering close: ends a connection so that the client can still read the last bytes, an alert or a page.

Closing a socket that has unread bytes sends a reset, and a reset makes the client lose what it has not read yet. So our
side sends FIN, input is discarded, and the socket is closed when the client has closed its side or its time is up.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from services.terminator.counters import Counters
from services.terminator.worker.connections import Connections
from services.terminator.worker.deadlines import Deadlines
from services.terminator.worker.tls.records import Buffers

MAX_DISCARDED_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ClientResources:
    """The resources of every protocol on a client's connection, since each may end in a lingering close.

    A protocol that needs more declares it in a subclass. They have no slots, which would forbid two base classes.
    """

    connections: Connections
    counters: Counters
    buffers: Buffers
    lingering: Deadlines


class LingeringClose(asyncio.BufferedProtocol):
    """Discards input until the client closes."""

    __slots__ = ("_discarded", "_resources", "_transport")

    def __init__(self, resources: ClientResources, transport: asyncio.Transport) -> None:
        self._resources = resources
        self._transport = transport
        self._discarded = 0

    @classmethod
    def begin(cls, resources: ClientResources, transport: asyncio.Transport, last_bytes: bytes) -> None:
        """Send *last_bytes* and end *transport*."""
        if transport.is_closing():
            return
        transport.set_protocol(cls(resources, transport))
        if last_bytes:
            transport.write(last_bytes)
        transport.write_eof()
        transport.resume_reading()
        resources.lingering.add(transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        self._discarded += nbytes
        if self._discarded > MAX_DISCARDED_BYTES:
            self._transport.abort()

    def eof_received(self) -> bool:
        return False

    def expire(self) -> None:
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._resources.lingering.discard(self._transport)
        self._resources.connections.discard(self._transport)
