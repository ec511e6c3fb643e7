"""Forwarding: a client's bytes are decrypted for its upstream, an upstream's bytes are encrypted for its client.

Rules:

* Back-pressure: when one side cannot accept more, reading from the other side is paused.
* The end of one direction is passed on, and the other direction continues: close_notify becomes FIN, FIN becomes
  close_notify (RFC 8446 section 6.1) and FIN. A FIN without close_notify ends the client's direction too, as in other
  proxies: some clients never send close_notify.
* A client can make OpenSSL answer by itself (a KeyUpdate, a request to renegotiate). These answers are sent at once,
  and a client that causes them without reading them is cut off: otherwise they would fill the memory.
* A reset is not an end. A client's reset is passed on to its upstream as a reset. After an upstream's reset, the client
  gets the bytes that came before it, and no close_notify, so the client can tell the difference.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Final, cast

from OpenSSL import SSL

from services.terminator.counters import Counters, WorkerCounter
from services.terminator.worker.tls.lingering_close import ClientResources, LingeringClose
from services.terminator.worker.tls.records import MAX_UNREAD_BYTES, Buffers, Records

_AT_ONCE: Final = struct.pack("ii", 1, 0)  # socket(7), struct linger: closing discards unsent bytes and sends a reset


@dataclass(frozen=True, kw_only=True)
class TunnelResources(ClientResources):
    """The resources of `ClientSide`. *tunnels* are the open ones, which the worker closes when they are idle."""

    tunnels: "set[ClientSide]" = field(default_factory=set)


class ClientSide(asyncio.BufferedProtocol):
    """Reads from a client, decrypts, and writes to its upstream."""

    __slots__ = ("_records", "_resources", "_upstream", "_view", "ended", "quiet", "transport")

    def __init__(
        self, resources: TunnelResources, transport: asyncio.Transport, records: Records, upstream: "UpstreamSide"
    ) -> None:
        self._resources = resources
        self._view = resources.buffers.view
        self._records = records
        self._upstream = upstream
        self.transport = transport
        self.ended = False
        self.quiet = 0  # idle checks since the last byte

    @classmethod
    def begin(
        cls, resources: TunnelResources, transport: asyncio.Transport, tls: SSL.Connection, upstream: "UpstreamSide"
    ) -> None:
        """Forward between *transport*, which speaks *tls*, and *upstream*."""
        records = Records(tls, resources.buffers)
        client = cls(resources, transport, records, upstream)
        transport.set_protocol(client)
        resources.tunnels.add(client)
        transport.resume_reading()
        upstream.join(client, records)
        client._forward()  # bytes that came together with the end of the handshake

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self.quiet = 0
        self._resources.counters.values[WorkerCounter.BYTES_FROM_CLIENTS] += nbytes
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
        """Send an answer that OpenSSL made by itself; cut off a client that does not read such answers."""
        self.transport.write(answer)
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            reset(self._upstream.transport)
            self.transport.abort()

    def _end(self) -> None:
        """Pass on the end of the client's direction."""
        if self.ended:
            return
        self.ended = True
        if self._upstream.ended:
            self.close()
        else:
            self._upstream.transport.write_eof()

    def _break(self) -> None:
        """End both connections: the client sent bytes that are not TLS, possibly an attack."""
        reset(self._upstream.transport)
        self._resources.tunnels.discard(self)
        LingeringClose.begin(self._resources, self.transport, self._records.take())

    def close(self) -> None:
        """Close both sides, after the bytes that are still to be sent."""
        self._upstream.transport.close()
        self.transport.close()

    @property
    def is_half_closed(self) -> bool:
        """Whether one side has ended and the other has not."""
        return self.ended or self._upstream.ended

    def eof_received(self) -> bool:
        """End the client's direction at its FIN, and keep the upstream's open; pass on a reset."""
        if is_reset(self.transport):
            reset(self._upstream.transport)
            return False
        self._end()
        return True

    def pause_writing(self) -> None:
        self._upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._upstream.transport.is_closing():
            self._upstream.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the upstream after an end, reset it after a reset."""
        self._resources.tunnels.discard(self)
        self._resources.connections.discard(self.transport)
        if exc is None:
            self._upstream.transport.close()
        else:
            reset(self._upstream.transport)


class UpstreamSide(asyncio.BufferedProtocol):
    """Reads from an upstream, encrypts, and writes to its client."""

    __slots__ = ("_client", "_counters", "_early", "_records", "_view", "ended", "transport")
    transport: asyncio.Transport

    def __init__(self, buffers: Buffers, counters: Counters) -> None:
        self._counters = counters
        self._view = buffers.view
        self._client: ClientSide | None = None
        self._records: Records | None = None
        self._early = b""  # the upstream's bytes from before `join`
        self.ended = False

    def join(self, client: ClientSide, records: Records) -> None:
        """Start to forward to *client*, encrypting with *records*."""
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
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._counters.values[WorkerCounter.BYTES_FROM_UPSTREAMS] += nbytes
        client, records = self._client, self._records
        if client is None or records is None:
            self._early += self._view[:nbytes]
            self.transport.pause_reading()
            return
        client.quiet = 0
        client.transport.write(records.encrypt(nbytes))

    def eof_received(self) -> bool:
        """End the upstream's direction at its FIN, and keep the client's open."""
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
        if self._client is not None:
            self._client.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._client is not None and not self._client.transport.is_closing():
            self._client.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - both kinds of end are the same here
        """Close the client's connection, after the bytes that are still to be sent."""
        if self._client is not None:
            self._client.transport.close()
        # The sides refer to each other; breaking the cycle frees the TLS connection without the garbage collector.
        self._client = self._records = None


def reset(transport: asyncio.Transport) -> None:
    """End *transport* with a reset, which the peer cannot mistake for a regular end."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def is_reset(transport: asyncio.Transport) -> bool:
    """Return whether an apparent end of *transport* is a reset: after data, libuv reports a reset as an end."""
    return bool(transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
