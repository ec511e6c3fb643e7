"""The TLS handshake, on memory BIOs of our own: what OpenSSL says is written, alerts of failed handshakes included.

The upstream is dialled meanwhile; whoever is ready first waits for the other.
"""

import asyncio
import functools
from typing import Final

from OpenSSL import SSL

from services.terminator.counters import Count
from services.terminator.worker.http.error_page import Answering
from services.terminator.worker.http.pages import Status
from services.terminator.worker.resources import Resources
from services.terminator.worker.tls.contexts import Entry
from services.terminator.worker.tls.lingering_close import Parting
from services.terminator.worker.tls.tunnel import ClientSide, UpstreamSide, reset
from services.terminator.worker.upstream.dialling import UpstreamDownError, UpstreamForbiddenError
from shared.upstreams import Upstream

FLIGHT_BYTES: Final = 65_536  # more than any flight of ours has
# RFC 8446 section 4.1.3: a ServerHello with this random is a HelloRetryRequest.
_RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_RANDOM: Final = slice(11, 43)  # in a flight: record header (5), message header (4), version (2), random


class Handshake(asyncio.BufferedProtocol):
    """Shakes hands with a client, with the context of the name that it asked for."""

    __slots__ = ("_dialling", "_entry", "_resources", "_shaken", "_tls", "_transport", "_trouble", "_upstream")

    def __init__(self, resources: Resources, transport: asyncio.Transport, entry: Entry) -> None:
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
    def begin(cls, resources: Resources, transport: asyncio.Transport, entry: Entry, hello: bytes | bytearray) -> None:
        """Answer the ClientHello, which came as the bytes *hello*."""
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
        """Return where to read to."""
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        """Go on with what the client said."""
        self._tls.bio_write(self._resources.buffers.view[:nbytes])
        if not self._shaken:
            self._advance()

    def late(self) -> None:
        """End: the handshake was not done in time."""
        self._resources.figures.add(Count.HANDSHAKES_LATE)
        self._transport.abort()

    def eof_received(self) -> bool:
        """Close: the client went away."""
        if not self._shaken:
            self._resources.figures.add(Count.HANDSHAKES_FAILED)
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is over."""
        self._leave()
        self._hang_up()
        self._resources.connections.discard(self._transport)

    def _advance(self) -> bool:
        """Take the next step and send what OpenSSL says; return False when the handshake has failed."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            flight = self._flush()
            if flight[_RANDOM] == _RETRY_RANDOM:
                self._resources.unshown.add(self._entry.name, self)
            elif flight:
                self._resources.unshown.discard(self._entry.name, self)
            return True
        except SSL.Error:
            self._fail()
            return False
        self._flush()
        self._shaken = True
        self._leave()
        self._resources.figures.add(Count.HANDSHAKES_SERVED if self._entry.is_hosted else Count.HANDSHAKES_DEFAULT)
        self._join()
        return True

    def _flush(self) -> bytes:
        try:
            flight = self._tls.bio_read(FLIGHT_BYTES)
        except SSL.WantReadError:
            return b""
        self._transport.write(flight)
        return flight

    def _fail(self) -> None:
        """End the connection with the alert that OpenSSL has for it."""
        self._resources.figures.add(Count.HANDSHAKES_FAILED)
        self._leave()
        self._hang_up()
        try:
            alert = self._tls.bio_read(FLIGHT_BYTES)
        except SSL.WantReadError:  # the client itself ended it, with an alert of its own
            alert = b""
        Parting.begin(self._resources, self._transport, alert)

    def _leave(self) -> None:
        """Be no unfinished handshake any more."""
        self._resources.handshakes.discard(self._transport)
        self._resources.unshown.discard(self._entry.name, self)

    def _hang_up(self) -> None:
        """Want the upstream no more."""
        if self._dialling is not None:
            self._dialling.cancel()
        if self._upstream is not None:
            reset(self._upstream.transport)

    async def _dial(self, upstream: Upstream) -> None:
        resources = self._resources
        resources.figures.add(Count.UPSTREAMS_DIALLED)
        try:
            self._upstream = await resources.dialler.dial(upstream, functools.partial(UpstreamSide, resources))
        except UpstreamForbiddenError:
            resources.figures.add(Count.UPSTREAMS_FORBIDDEN)
            self._trouble = "the upstream of this domain leads to an address that it may not have"
        except UpstreamDownError:
            resources.figures.add(Count.UPSTREAMS_FAILED)
            self._trouble = "the upstream of this domain does not answer"
        if self._shaken:
            self._join()

    def _join(self) -> None:
        """Go on, hands being shaken, as soon as it is known where to."""
        if self._upstream is not None and self._upstream.transport.is_closing():
            self._trouble = "the upstream of this domain hung up"
        if not self._entry.is_hosted:
            Answering.begin(self._resources, self._transport, self._tls, status=Status.MISDIRECTED)
        elif self._trouble:
            Answering.begin(
                self._resources, self._transport, self._tls, status=Status.BAD_GATEWAY, detail=self._trouble
            )
        elif self._upstream is not None:
            ClientSide.begin(self._resources, self._transport, self._tls, self._upstream)
        else:  # until the upstream is there nothing is read, so nothing piles up
            self._transport.pause_reading()
