"""A new connection on the port for TLS: the ClientHello is read, and its name's context found."""

import asyncio
from typing import cast

from services.terminator.counters import Count
from services.terminator.rules.alerts import Alert, HelloError, PlainHttpError
from services.terminator.rules.clienthello import HelloReader
from services.terminator.worker.resources import Resources
from services.terminator.worker.tls.contexts import Entry
from services.terminator.worker.tls.handshake import Handshake
from services.terminator.worker.tls.lingering_close import Parting

ACME_TLS = b"acme-tls/1"  # RFC 8737 section 3; no certificate of a visitor's may be shown to it
_HTTP_ON_TLS_PORT = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This port speaks HTTPS, and the request was sent as plain HTTP.\n"
)


class Greeting(asyncio.BufferedProtocol):
    """Waits for the whole ClientHello, then for what is served for the name that it asks for."""

    __slots__ = ("_reader", "_resources", "_transport")
    _transport: asyncio.Transport

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._reader = HelloReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it its time."""
        self._transport = cast("asyncio.Transport", transport)
        if self._resources.connections.add(self._transport):
            self._resources.handshakes.add(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to read to."""
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        """Read on; when the ClientHello is whole, ask what is served."""
        try:
            hello = self._reader.feed(self._resources.buffers.view[:nbytes])
        except HelloError as error:
            self._end(Count.HANDSHAKES_MALFORMED, error.alert.record)
            return
        except PlainHttpError:
            self._end(Count.HANDSHAKES_MALFORMED, _HTTP_ON_TLS_PORT)
            return
        if hello is None:
            return
        if ACME_TLS in hello.alpn:
            self._end(Count.HANDSHAKES_REFUSED, Alert.NO_APPLICATION_PROTOCOL.record)
        elif hello.server_name is None:
            self.chosen(self._resources.default)
        else:
            self._choose(hello.server_name)

    def _choose(self, name: str) -> None:
        entry = self._resources.contexts.get(name, asyncio.get_running_loop().time())
        if entry is not None:
            self.chosen(entry)
            return
        self._transport.pause_reading()
        self._resources.link.ask(name, self)

    def chosen(self, entry: Entry) -> None:
        """Go on with *entry*."""
        if self._transport.is_closing():
            return
        if entry.is_refused:
            self.refused()
            return
        Handshake.begin(self._resources, self._transport, entry, self._reader.kept)

    def refused(self) -> None:
        """Refuse: nobody knows now what is served, or it must not be."""
        self._end(Count.HANDSHAKES_REFUSED, Alert.INTERNAL_ERROR.record)

    def late(self) -> None:
        """End: the ClientHello did not come in time, or the store did not answer in time."""
        self._resources.figures.add(Count.HANDSHAKES_LATE)
        self._transport.abort()

    def eof_received(self) -> bool:
        """Close: who says nothing more will not shake hands."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is over."""
        self._resources.handshakes.discard(self._transport)
        self._resources.connections.discard(self._transport)

    def _end(self, count: Count, last_words: bytes) -> None:
        if self._transport.is_closing():
            return
        self._resources.figures.add(count)
        self._resources.handshakes.discard(self._transport)
        Parting.begin(self._resources, self._transport, last_words)
