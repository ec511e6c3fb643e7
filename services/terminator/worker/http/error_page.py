"""The terminator's own answer over TLS: the name is unknown, or its upstream cannot be reached."""

import asyncio
from dataclasses import dataclass

from OpenSSL import SSL

from services.terminator.counters import WorkerCounter
from services.terminator.worker.deadlines import Deadlines
from services.terminator.worker.http.pages import Status, page
from services.terminator.worker.http.request_head import BadRequestError, may_be_request, parse_head
from services.terminator.worker.tls.lingering_close import ClientResources, LingeringClose
from services.terminator.worker.tls.records import MAX_UNREAD_BYTES, Records


@dataclass(frozen=True, kw_only=True)
class PageResources(ClientResources):
    """The resources of a protocol that answers a request itself."""

    requests: Deadlines  # until the request is whole; from accept on port 80, else from the end of the handshake


class ErrorPage(asyncio.BufferedProtocol):
    """Waits for the head of a request and answers it with one page; other protocols than HTTP/1 get no answer."""

    __slots__ = ("_detail", "_head", "_records", "_resources", "_status", "_transport")

    def __init__(self, resources: PageResources, transport: asyncio.Transport, tls: SSL.Connection) -> None:
        self._resources = resources
        self._transport = transport
        self._records = Records(tls, resources.buffers)
        self._status = Status.MISDIRECTED
        self._detail = ""
        self._head = b""

    @classmethod
    def begin(
        cls,
        resources: PageResources,
        transport: asyncio.Transport,
        tls: SSL.Connection,
        *,
        status: Status,
        detail: str = "",
    ) -> None:
        """Answer the first request on *transport*, which speaks *tls*, with *status*."""
        protocol = cls(resources, transport, tls)
        protocol._status, protocol._detail = status, detail
        transport.set_protocol(protocol)
        resources.requests.add(transport)
        transport.resume_reading()
        protocol._read()  # bytes that came together with the end of the handshake

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        self._records.feed(nbytes)
        self._read()

    def _read(self) -> None:
        try:
            while (data := self._records.decrypt()) is not None:
                self._head += data
                if self._answered():
                    return
        except SSL.Error:  # close_notify, or not TLS
            self._finish(b"")
        else:  # answers that OpenSSL makes by itself must not pile up
            if answer := self._records.take():
                self._transport.write(answer)
            if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
                self._transport.abort()

    def _answered(self) -> bool:
        """Answer and return True if the request is whole, or cannot become a valid one."""
        if not may_be_request(self._head):
            self._finish(b"")
            return True
        try:
            request = parse_head(self._head)
        except BadRequestError as error:
            self._resources.counters.add(WorkerCounter.HTTP_REFUSED)
            self._finish(page(error.status, tls=True))
            return True
        if request is None:
            return False
        self._finish(page(self._status, detail=self._detail, tls=True, head=request.method == "HEAD"))
        return True

    def _finish(self, answer: bytes) -> None:
        """Send *answer* and close_notify, and end."""
        try:
            last_bytes = (self._records.encrypt_bytes(answer) if answer else b"") + self._records.close_notify()
        except SSL.Error:  # the client broke the TLS connection: only the alert for that can be sent
            last_bytes = self._records.take()
        self._resources.requests.discard(self._transport)
        LingeringClose.begin(self._resources, self._transport, last_bytes)

    def expire(self) -> None:
        self._finish(b"")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._resources.requests.discard(self._transport)
        self._resources.connections.discard(self._transport)
