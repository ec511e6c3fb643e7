"""Port 80: HTTP-01 answers for the CA, and the way to HTTPS for everybody else.

One request a connection. An answer to a challenge is given only while the row of an open order stands for the host;
for all else, challenge paths of others included, the answer is a redirect to the same path of the same host.
"""

import asyncio
import re
from typing import Final, cast

from services.terminator.counters import Count
from services.terminator.worker.http.pages import Status, page
from services.terminator.worker.http.request_head import BadRequestError, Request, parse_head
from services.terminator.worker.resources import Resources
from services.terminator.worker.tls.lingering_close import Parting

# RFC 8555 section 8.3; the token is of the base64url alphabet, and nothing else is ever sent back.
_CHALLENGE: Final = re.compile(r"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,128})")
_HTTPS_PORT: Final = 443


class Plain(asyncio.BufferedProtocol):
    """Reads one request and answers it."""

    __slots__ = ("_head", "_request", "_resources", "_transport")
    _transport: asyncio.Transport

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._head = b""
        self._request: Request | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it its time."""
        self._transport = cast("asyncio.Transport", transport)
        if self._resources.connections.add(self._transport):
            self._resources.requests.add(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to read to."""
        return self._resources.buffers.view

    def buffer_updated(self, nbytes: int) -> None:
        """Read on; answer when the head of the request is whole."""
        if self._request is not None:  # waits for its answer; what else comes is no business of ours
            return
        self._head += self._resources.buffers.view[:nbytes]
        try:
            request = parse_head(self._head)
        except BadRequestError as error:
            self._resources.figures.add(Count.HTTP_REFUSED)
            self._finish(page(error.status, tls=False))
            return
        if request is not None:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        self._request = request
        if request.method in ("GET", "HEAD") and _CHALLENGE.fullmatch(request.target):
            self._transport.pause_reading()
            self._resources.link.ask_challenge(request.host, self)
        else:
            self._redirect(request)

    def answered(self, thumbprint: str) -> None:
        """Give the key authorization (RFC 8555 section 8.1), or send on who asks for somebody else's."""
        assert self._request is not None
        match = _CHALLENGE.fullmatch(self._request.target)
        assert match is not None
        if not thumbprint:
            self._redirect(self._request)
            return
        self._resources.figures.add(Count.CHALLENGES_ANSWERED)
        body = f"{match[1]}.{thumbprint}".encode()
        self._finish(page(Status.OK, body=body, tls=False, head=self._request.method == "HEAD"))

    def refused(self) -> None:
        """Ask to come again: nobody knows now."""
        self._finish(page(Status.UNAVAILABLE, headers=b"Retry-After: 5\r\n", tls=False))

    def _redirect(self, request: Request) -> None:
        self._resources.figures.add(Count.REDIRECTS)
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
        Parting.begin(self._resources, self._transport, answer)

    def late(self) -> None:
        """End: the request did not come in time, or the store did not answer in time."""
        self._finish(page(Status.TIMEOUT, tls=False))

    def eof_received(self) -> bool:
        """Close, unless an answer is under way: nothing more is needed for that."""
        return self._request is not None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is over."""
        self._resources.requests.discard(self._transport)
        self._resources.connections.discard(self._transport)
