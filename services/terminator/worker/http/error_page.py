"""An HTTP answer of ours over TLS: the name is nobody's, or its upstream cannot be reached."""

import asyncio

from OpenSSL import SSL

from services.terminator.counters import Count
from services.terminator.worker.http.pages import Status, page
from services.terminator.worker.http.request_head import BadRequestError, may_be_request, parse_head
from services.terminator.worker.resources import Resources
from services.terminator.worker.tls.lingering_close import Parting
from services.terminator.worker.tls.records import MAX_UNREAD_BYTES, Records


class Answering(asyncio.BufferedProtocol):
    """Waits for the head of a request, answers it with one page, and ends; who speaks no HTTP/1 gets no answer."""

    __slots__ = ("_detail", "_head", "_records", "_resources", "_status", "_transport")

    def __init__(self, resources: Resources, transport: asyncio.Transport, tls: SSL.Connection) -> None:
        self._resources = resources
        self._transport = transport
        self._records = Records(tls, resources.buffers)
        self._status = Status.MISDIRECTED
        self._detail = ""
        self._head = b""

    @classmethod
    def begin(
        cls,
        resources: Resources,
        transport: asyncio.Transport,
        tls: SSL.Connection,
        *,
        status: Status,
        detail: str = "",
    ) -> None:
        """Answer the first request on *transport*, which speaks *tls*, with *status*."""
        answering = cls(resources, transport, tls)
        answering._status, answering._detail = status, detail
        transport.set_protocol(answering)
        resources.requests.add(transport)
        transport.resume_reading()
        answering._read()  # what came along with the end of the handshake

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to read to."""
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        """Read on."""
        self._records.feed(nbytes)
        self._read()

    def _read(self) -> None:
        try:
            while (data := self._records.decrypt()) is not None:
                self._head += data
                if self._answered():
                    return
        except SSL.Error:  # close_notify, or no TLS
            self._finish(b"")
        else:  # what OpenSSL answers by itself must not pile up
            if answer := self._records.take():
                self._transport.write(answer)
            if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
                self._transport.abort()

    def _answered(self) -> bool:
        """Answer if the request is whole, or never will be one."""
        if not may_be_request(self._head):
            self._finish(b"")
            return True
        try:
            request = parse_head(self._head)
        except BadRequestError as error:
            self._resources.figures.add(Count.HTTP_REFUSED)
            self._finish(page(error.status, tls=True))
            return True
        if request is None:
            return False
        self._finish(page(self._status, detail=self._detail, tls=True, head=request.method == "HEAD"))
        return True

    def _finish(self, answer: bytes) -> None:
        """Say *answer* and close_notify, and end."""
        try:
            last_words = (self._records.encrypt_bytes(answer) if answer else b"") + self._records.close_notify()
        except SSL.Error:  # the client has broken the TLS connection: nothing can be said but the alert for that
            last_words = self._records.take()
        self._resources.requests.discard(self._transport)
        Parting.begin(self._resources, self._transport, last_words)

    def late(self) -> None:
        """End: no request came in time."""
        self._finish(b"")

    def eof_received(self) -> bool:
        """Close: no request comes any more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is over."""
        self._resources.requests.discard(self._transport)
        self._resources.connections.discard(self._transport)
