"""A new connection on the port for TLS: reads the ClientHello, then finds the TLS context of its name."""

import asyncio
from dataclasses import dataclass
from typing import Final, cast

from services.terminator.counters import WorkerCounter
from services.terminator.rules.alerts import Alert, HelloError, PlainHttpError
from services.terminator.rules.clienthello import HelloReader
from services.terminator.worker.link import ControlLink
from services.terminator.worker.tls.contexts import Contexts, Entry
from services.terminator.worker.tls.handshake import Handshake, HandshakeResources
from services.terminator.worker.tls.lingering_close import LingeringClose

# RFC 8737 section 3: the protocol of TLS-ALPN-01, which is not supported. A CA must see no visitor's certificate.
ACME_TLS: Final = b"acme-tls/1"
_HTTP_ON_TLS_PORT: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This port speaks HTTPS, but the request was sent as plain HTTP.\n"
)


@dataclass(frozen=True, kw_only=True)
class ClientHelloResources(HandshakeResources):
    """The resources of `ClientHelloWait`, and of the handshake after it."""

    contexts: Contexts
    link: ControlLink


class ClientHelloWait(asyncio.BufferedProtocol):
    """Waits for the whole ClientHello, then for the context of the name in it."""

    __slots__ = ("_reader", "_resources", "_transport")
    _transport: asyncio.Transport

    def __init__(self, resources: ClientHelloResources) -> None:
        self._resources = resources
        self._reader = HelloReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._resources.connections.add(self._transport):
            self._resources.handshakes.add(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        try:
            hello = self._reader.feed(self._resources.buffers.view[:nbytes])
        except HelloError as error:
            self._end(WorkerCounter.HANDSHAKES_MALFORMED, error.alert.record)
            return
        except PlainHttpError:
            self._end(WorkerCounter.HANDSHAKES_MALFORMED, _HTTP_ON_TLS_PORT)
            return
        if hello is None:
            return
        if ACME_TLS in hello.alpn:
            self._end(WorkerCounter.HANDSHAKES_REFUSED, Alert.NO_APPLICATION_PROTOCOL.record)
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
        """Shake hands with *entry*, or refuse the client if the entry says so."""
        if self._transport.is_closing():
            return
        if entry.is_refused:
            self.refused()
            return
        Handshake.begin(self._resources, self._transport, entry, self._reader.kept)

    def refused(self) -> None:
        """Refuse the client: the store does not answer, or the name must not be served."""
        self._end(WorkerCounter.HANDSHAKES_REFUSED, Alert.INTERNAL_ERROR.record)

    def expire(self) -> None:
        """Abort: the ClientHello, or the store's answer, did not come in time."""
        self._resources.counters.add(WorkerCounter.HANDSHAKES_LATE)
        self._transport.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._resources.handshakes.discard(self._transport)
        self._resources.connections.discard(self._transport)

    def _end(self, counter: WorkerCounter, last_bytes: bytes) -> None:
        if self._transport.is_closing():
            return
        self._resources.counters.add(counter)
        self._resources.handshakes.discard(self._transport)
        LingeringClose.begin(self._resources, self._transport, last_bytes)
