"""Port 80: answers HTTP-01 challenges (`http01`) and redirects every other request to HTTPS.

A connection has one request. A challenge is answered only while an order for its host is open. All other requests,
those for other challenge paths included, are redirected to the same path of the same host.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, cast

from services.terminator.counters import WorkerCounter
from services.terminator.worker.http import http01
from services.terminator.worker.http.error_page import PageResources
from services.terminator.worker.http.pages import Status, page
from services.terminator.worker.http.request_head import BadRequestError, Request, parse_head
from services.terminator.worker.link import ControlLink
from services.terminator.worker.tls.lingering_close import LingeringClose

_HTTPS_PORT: Final = 443


@dataclass(frozen=True, kw_only=True)
class Port80Resources(PageResources):
    """The resources of `Port80`. *redirect_port* is the port of HTTPS as visitors reach it."""

    link: ControlLink
    redirect_port: int


class Port80(asyncio.BufferedProtocol):
    """Reads one request and answers it."""

    __slots__ = ("_head", "_request", "_resources", "_token", "_transport")
    _transport: asyncio.Transport

    def __init__(self, resources: Port80Resources) -> None:
        self._resources = resources
        self._head = b""
        self._request: Request | None = None
        self._token = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._resources.connections.add(self._transport):
            self._resources.requests.add(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        if self._request is not None:  # its answer is being looked up; anything after the request is ignored
            return
        self._head += self._resources.buffers.view[:nbytes]
        try:
            request = parse_head(self._head)
        except BadRequestError as error:
            self._resources.counters.add(WorkerCounter.HTTP_REFUSED)
            self._finish(page(error.status, tls=False))
            return
        if request is not None:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        self._request = request
        token = http01.token_of(request)
        if token is None:
            self._redirect(request)
            return
        self._token = token
        self._transport.pause_reading()
        self._resources.link.ask_challenge(request.host, self)

    def answered(self, thumbprint: str) -> None:
        """Answer the challenge with *thumbprint*; without one, the host has no open order, so redirect."""
        assert self._request is not None
        if not thumbprint:
            self._redirect(self._request)
            return
        self._resources.counters.add(WorkerCounter.CHALLENGES_ANSWERED)
        self._finish(http01.key_authorization(self._request, self._token, thumbprint))

    def refused(self) -> None:
        """Ask the CA to retry: the store does not answer."""
        self._finish(http01.RETRY)

    def _redirect(self, request: Request) -> None:
        self._resources.counters.add(WorkerCounter.REDIRECTS)
        port = self._resources.redirect_port
        host = request.host if port == _HTTPS_PORT else f"{request.host}:{port}"
        safe = request.method in ("GET", "HEAD")
        self._finish(
            page(
                Status.MOVED if safe else Status.MOVED_SAME_METHOD,
                headers=f"Location: https://{host}{request.target}\r\n".encode(),
                tls=False,
                head=request.method == "HEAD",
            )
        )

    def _finish(self, answer: bytes) -> None:
        if self._transport.is_closing():
            return
        self._resources.requests.discard(self._transport)
        LingeringClose.begin(self._resources, self._transport, answer)

    def expire(self) -> None:
        """Answer 408: the request, or the store's answer, did not come in time."""
        self._finish(page(Status.TIMEOUT, tls=False))

    def eof_received(self) -> bool:
        return self._request is not None  # True keeps the connection open for an answer that is being looked up

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._resources.requests.discard(self._transport)
        self._resources.connections.discard(self._transport)
