"""The TLS handshake, on memory BIOs: all that OpenSSL produces is sent, the alerts of failed handshakes included.

The upstream is dialled at the same time. Forwarding begins when both the handshake and the dial are done.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from OpenSSL import SSL

from services.terminator.counters import WorkerCounter
from services.terminator.worker.deadlines import Deadlines
from services.terminator.worker.http.error_page import ErrorPage, PageResources
from services.terminator.worker.http.pages import Status
from services.terminator.worker.tls.contexts import Entry
from services.terminator.worker.tls.lingering_close import LingeringClose
from services.terminator.worker.tls.pending_handshakes import PendingHandshakes
from services.terminator.worker.tls.tunnel import ClientSide, TunnelResources, UpstreamSide, reset
from services.terminator.worker.upstream.dialling import Dialler, UpstreamDownError, UpstreamForbiddenError
from shared.upstreams import Upstream

FLIGHT_BYTES: Final = 65_536  # larger than any flight that this server sends
# RFC 8446 section 4.1.3: a ServerHello with this random is a HelloRetryRequest.
_RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_RANDOM: Final = slice(11, 43)  # in a flight: record header (5), message header (4), version (2), random


@dataclass(frozen=True, kw_only=True)
class HandshakeResources(TunnelResources, PageResources):
    """The resources of `Handshake`, and of the tunnel or the error page after it."""

    handshakes: Deadlines  # from accept until the handshake is done
    pending: PendingHandshakes
    dialler: Dialler
    default: Entry
    dials: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, dial: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run *dial*, which handles its own errors, as a task that ends with the worker at the latest."""
        task = asyncio.get_running_loop().create_task(dial)
        self.dials.add(task)
        task.add_done_callback(self.dials.discard)
        return task


class Handshake(asyncio.BufferedProtocol):
    """Shakes hands with a client, with the TLS context of the name in its ClientHello."""

    __slots__ = ("_dialling", "_entry", "_resources", "_shaken", "_tls", "_transport", "_trouble", "_upstream")

    def __init__(self, resources: HandshakeResources, transport: asyncio.Transport, entry: Entry) -> None:
        self._resources = resources
        self._transport = transport
        self._entry = entry
        context = entry.context or resources.default.context
        assert context is not None
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._shaken = False
        self._trouble = entry.trouble
        self._dialling: asyncio.Task[None] | None = None
        self._upstream: UpstreamSide | None = None

    @classmethod
    def begin(
        cls, resources: HandshakeResources, transport: asyncio.Transport, entry: Entry, hello: bytes | bytearray
    ) -> None:
        """Answer the ClientHello, whose bytes are *hello*."""
        handshake = cls(resources, transport, entry)
        transport.set_protocol(handshake)
        handshake._answer(hello)

    def _answer(self, hello: bytes | bytearray) -> None:
        """Send the first flight and dial the upstream."""
        self._tls.bio_write(hello)
        if not self._advance():
            return
        if self._entry.upstream is not None:
            self._dialling = self._resources.start(self._dial(self._entry.upstream))
        self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        self._tls.bio_write(self._resources.buffers.view[:nbytes])
        if not self._shaken:
            self._advance()

    def expire(self) -> None:
        self._resources.counters.add(WorkerCounter.HANDSHAKES_LATE)
        self._transport.abort()

    def eof_received(self) -> bool:
        if not self._shaken:
            self._resources.counters.add(WorkerCounter.HANDSHAKES_FAILED)
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._stop_counting()
        self._hang_up()
        self._resources.connections.discard(self._transport)

    def _advance(self) -> bool:
        """Let OpenSSL continue and send its output; return False when the handshake has failed."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            flight = self._flush()
            if flight[_RANDOM] == _RETRY_RANDOM:
                self._resources.pending.add(self._entry.name, self)
            elif flight:
                self._resources.pending.discard(self._entry.name, self)
            return True
        except SSL.Error:
            self._fail()
            return False
        self._flush()
        self._shaken = True
        self._stop_counting()
        self._resources.counters.add(
            WorkerCounter.HANDSHAKES_SERVED if self._entry.is_hosted else WorkerCounter.HANDSHAKES_DEFAULT
        )
        self._proceed()
        return True

    def _flush(self) -> bytes:
        try:
            flight = self._tls.bio_read(FLIGHT_BYTES)
        except SSL.WantReadError:
            return b""
        self._transport.write(flight)
        return flight

    def _fail(self) -> None:
        """End the connection with OpenSSL's alert."""
        self._resources.counters.add(WorkerCounter.HANDSHAKES_FAILED)
        self._stop_counting()
        self._hang_up()
        try:
            alert = self._tls.bio_read(FLIGHT_BYTES)
        except SSL.WantReadError:  # the client ended the handshake, with an alert of its own
            alert = b""
        LingeringClose.begin(self._resources, self._transport, alert)

    def _stop_counting(self) -> None:
        """Stop counting this connection as an unfinished handshake."""
        self._resources.handshakes.discard(self._transport)
        self._resources.pending.discard(self._entry.name, self)

    def _hang_up(self) -> None:
        """Cancel the dial, or reset the upstream connection."""
        if self._dialling is not None:
            self._dialling.cancel()
        if self._upstream is not None:
            reset(self._upstream.transport)

    def _upstream_side(self) -> UpstreamSide:
        return UpstreamSide(self._resources.buffers, self._resources.counters)

    async def _dial(self, upstream: Upstream) -> None:
        resources = self._resources
        resources.counters.add(WorkerCounter.UPSTREAMS_DIALLED)
        try:
            self._upstream = await resources.dialler.dial(upstream, self._upstream_side)
        except UpstreamForbiddenError:
            resources.counters.add(WorkerCounter.UPSTREAMS_FORBIDDEN)
            self._trouble = "the upstream of this domain has an address that is not allowed"
        except UpstreamDownError:
            resources.counters.add(WorkerCounter.UPSTREAMS_FAILED)
            self._trouble = "the upstream of this domain does not answer"
        if self._shaken:
            self._proceed()

    def _proceed(self) -> None:
        """After the handshake: forward, answer with a page, or wait for the upstream."""
        if self._upstream is not None and self._upstream.transport.is_closing():
            self._trouble = "the upstream of this domain closed the connection"
        if not self._entry.is_hosted:
            ErrorPage.begin(self._resources, self._transport, self._tls, status=Status.MISDIRECTED)
        elif self._trouble:
            ErrorPage.begin(
                self._resources, self._transport, self._tls, status=Status.BAD_GATEWAY, detail=self._trouble
            )
        elif self._upstream is not None:
            ClientSide.begin(self._resources, self._transport, self._tls, self._upstream)
        else:  # nothing is read until the upstream is connected, so nothing piles up
            self._transport.pause_reading()
