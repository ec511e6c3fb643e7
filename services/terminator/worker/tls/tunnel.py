"""Bytes both ways: a client's are decrypted for its upstream, an upstream's are encrypted for its client.

Rules:

* Whoever cannot take more stops whoever sends to it: each side pauses the other's reading.
* An end of one direction is passed on and the other goes on: close_notify becomes FIN, FIN becomes close_notify (RFC
  8446 section 6.1) and FIN. A FIN without close_notify ends the client's direction too, as with other proxies: some
  clients never send one.
* A client can ask for answers of OpenSSL's own (to a KeyUpdate, to a wish to renegotiate). They go out at once, and a
  client that asks without reading is cut off: left where they are they would fill the memory.
* A reset is no end. A client's is one for its upstream. After an upstream's the client gets what came until then and
  no close_notify, so it can tell.
"""

import asyncio
import socket
import struct
from typing import Final, cast

from OpenSSL import SSL

from services.terminator.counters import Count
from services.terminator.worker.resources import Resources
from services.terminator.worker.tls.lingering_close import Parting
from services.terminator.worker.tls.records import MAX_UNREAD_BYTES, Records

_AT_ONCE: Final = struct.pack("ii", 1, 0)  # socket(7), struct linger: closing throws away what is unsent, and resets


class ClientSide(asyncio.BufferedProtocol):
    """Reads from a client, decrypts, and writes to its upstream."""

    __slots__ = ("_records", "_resources", "_upstream", "_view", "ended", "quiet", "transport")

    def __init__(
        self, resources: Resources, transport: asyncio.Transport, records: Records, upstream: "UpstreamSide"
    ) -> None:
        self._resources = resources
        self._view = resources.buffers.view
        self._records = records
        self._upstream = upstream
        self.transport = transport
        self.ended = False
        self.quiet = 0  # sweeps since something was said

    @classmethod
    def begin(
        cls, resources: Resources, transport: asyncio.Transport, tls: SSL.Connection, upstream: "UpstreamSide"
    ) -> None:
        """Forward between *transport*, which speaks *tls*, and *upstream*."""
        records = Records(tls, resources.buffers)
        client = cls(resources, transport, records, upstream)
        transport.set_protocol(client)
        resources.tunnels.add(client)
        transport.resume_reading()
        upstream.join(client, records)
        client._forward()  # what came along with the end of the handshake

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to read to."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt what came, and pass it on."""
        self.quiet = 0
        self._resources.figures.counts[Count.BYTES_FROM_CLIENTS] += nbytes
        self._records.feed(nbytes)
        self._forward()

    def _forward(self) -> None:
        decrypt, write = self._records.decrypt, self._upstream.transport.write
        try:
            while (data := decrypt()) is not None:
                write(data)
        except SSL.ZeroReturnError:
            self._end()
        except SSL.Error:
            self._break()
        else:
            if (answer := self._records.take()) and not self._upstream.ended:
                self._reply(answer)

    def _reply(self, answer: bytes) -> None:
        """Send what OpenSSL answers by itself, unless the client does not read what it has asked for so often."""
        self.transport.write(answer)
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            reset(self._upstream.transport)
            self.transport.abort()

    def _end(self) -> None:
        """Pass on that the client says nothing more."""
        if self.ended:
            return
        self.ended = True
        if self._upstream.ended:
            self.close()
        else:
            self._upstream.transport.write_eof()

    def _break(self) -> None:
        """End both sides: what the client sent is no TLS, so it cannot be told from an attack."""
        reset(self._upstream.transport)
        self._resources.tunnels.discard(self)
        Parting.begin(self._resources, self.transport, self._records.take())

    def close(self) -> None:
        """End both sides after what is still to be written."""
        self._upstream.transport.close()
        self.transport.close()

    @property
    def is_half_closed(self) -> bool:
        """Whether one side has ended and the other has not."""
        return self.ended or self._upstream.ended

    def eof_received(self) -> bool:
        """Take the client's FIN for the end of what it says; what the upstream says still goes to it."""
        if is_reset(self.transport):
            reset(self._upstream.transport)
            return False
        self._end()
        return True

    def pause_writing(self) -> None:
        """Let the upstream wait: the client takes no more."""
        self._upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the upstream go on."""
        if not self._upstream.transport.is_closing():
            self._upstream.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on a reset as a reset, an end as an end."""
        self._resources.tunnels.discard(self)
        self._resources.connections.discard(self.transport)
        if exc is None:
            self._upstream.transport.close()
        else:
            reset(self._upstream.transport)


class UpstreamSide(asyncio.BufferedProtocol):
    """Reads from an upstream, encrypts, and writes to its client."""

    __slots__ = ("_client", "_early", "_records", "_resources", "_view", "ended", "transport")
    transport: asyncio.Transport

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._view = resources.buffers.view
        self._client: ClientSide | None = None
        self._records: Records | None = None
        self._early = b""  # what the upstream said before there was somebody to forward to
        self.ended = False

    def join(self, client: ClientSide, records: Records) -> None:
        """Begin to forward to *client*, through *records*."""
        self._client = client
        self._records = records
        if self._early:
            client.transport.write(records.encrypt_bytes(self._early))
            self._early = b""
        if self.ended:
            self._end(client, records)
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for somebody to forward to."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to read to."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Encrypt what came, and pass it on."""
        self._resources.figures.counts[Count.BYTES_FROM_UPSTREAMS] += nbytes
        client, records = self._client, self._records
        if client is None or records is None:
            self._early += self._view[:nbytes]
            self.transport.pause_reading()
            return
        client.quiet = 0
        client.transport.write(records.encrypt(nbytes))

    def eof_received(self) -> bool:
        """Pass on that the upstream says nothing more; what the client says still goes to it."""
        if is_reset(self.transport):
            return False
        self.ended = True
        if self._client is not None and self._records is not None:
            self._end(self._client, self._records)
        return True

    def _end(self, client: ClientSide, records: Records) -> None:
        client.transport.write(records.close_notify())
        if client.ended:
            client.close()
        else:
            client.transport.write_eof()

    def pause_writing(self) -> None:
        """Let the client wait: the upstream takes no more."""
        if self._client is not None:
            self._client.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the client go on."""
        if self._client is not None and not self._client.transport.is_closing():
            self._client.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whoever ended it, it has ended
        """Give the client what came until now, and no more."""
        if self._client is not None:
            self._client.transport.close()
        # The two sides hold each other, and the TLS connection; nothing should wait for the garbage collector.
        self._client = self._records = None


def reset(transport: asyncio.Transport) -> None:
    """End *transport* with a reset, which nobody takes for the end of what was said."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def is_reset(transport: asyncio.Transport) -> bool:
    """Say whether what looks like the end of *transport* is a reset: libuv calls it an end when data came before it."""
    return bool(transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
