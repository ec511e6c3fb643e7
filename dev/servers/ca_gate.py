"""A gate in front of Pebble, for tests and benchmarks.

It keeps stock Pebble alive under load. Pebble deadlocks for good when newOrder and fetches of authorizations overlap
with a write to its memory: one holds an authorization's lock and waits for the store's, the other the reverse, and
the waiting writer blocks both. Seen in 4 of 4 runs at 128 orders in flight; rare at 16. So no authorization is
fetched while newOrder runs.

It also makes chosen requests fail as they do on real networks and at real CAs (`dev.servers.faults`).

Requests keep their Host header, from which Pebble makes all URLs: so clients come back to the gate, and the signed
`url` is right.
"""

import asyncio
import socket
import ssl
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self, assert_never

import aiohttp
from aiohttp import web

from dev.ports import LOOPBACK, free_port
from dev.servers.faults import Answer, Delay, DropAnswer, Endpoint, Fault, HoldAnswer, Reset
from dev.servers.pebble import Pebble

# RFC 9110 section 7.6.1, and the headers that frame a body on one connection.
HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
CONNECTIONS: Final = 64  # to Pebble
_AT_ONCE_SECONDS: Final = 0.001  # 0 means for ever to aiohttp
ABORT: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends a reset


@dataclass(frozen=True, slots=True)
class Seen:
    """A received request, and its result."""

    endpoint: Endpoint
    method: str
    status: int | None
    """The status that the client got; None if its connection was reset."""


class CaGate:
    """An open gate in front of *pebble*; leave the block, or `close` it, to make the authority unreachable."""

    def __init__(self, pebble: Pebble) -> None:
        self._pebble: Final = pebble
        self._port: Final = free_port()
        self._faults: Final[defaultdict[Endpoint, deque[Fault]]] = defaultdict(deque)
        self._room: Final = _Room()
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.directory_url: Final = f"https://{LOOPBACK}:{self._port}/dir"
        self.ca_file: Final = pebble.ca_file
        self.seen: Final[list[Seen]] = []

    def inject(self, endpoint: Endpoint, *faults: Fault) -> None:
        """Apply *faults* to the next requests for *endpoint*, one each, after those injected before."""
        self._faults[endpoint].extend(faults)

    def clear(self) -> None:
        """Remove the faults that were not applied yet."""
        self._faults.clear()

    def count(self, endpoint: Endpoint) -> int:
        """Return how many requests for *endpoint* have finished."""
        return sum(seen.endpoint is endpoint for seen in self.seen)

    async def open(self) -> None:
        """Listen, at the same port each time."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._pebble.trust)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_AT_ONCE_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port, ssl_context=self._identity()).start()

    async def close(self) -> None:
        """Stop listening and close open connections."""
        if self._runner and self._session:
            await self._runner.cleanup()
            await self._session.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        endpoint = Endpoint.of(request.path)
        try:
            await request.read()  # now: a client that dies while its request is delayed has still sent it
        except ConnectionResetError:
            return _reset(request)
        waiting = self._faults[endpoint]
        fault = waiting.popleft() if waiting else None
        try:
            response = await self._answer(request, endpoint, fault)
        except aiohttp.ClientConnectionError:  # Pebble itself is down
            response = None
        self.seen.append(Seen(endpoint, request.method, None if response is None else response.status))
        return _reset(request) if response is None else response

    async def _answer(  # noqa: PLR0911 - one for each fault
        self, request: web.Request, endpoint: Endpoint, fault: Fault | None
    ) -> web.Response | None:
        """Return the response for the client; None means to reset its connection."""
        match fault:
            case None:
                return await self._forward(request, endpoint)
            case Answer():
                return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
            case Reset():
                return None
            case DropAnswer():
                response = await self._forward(request, endpoint)
                return response if self._kept_back(fault, endpoint, response) else None
            case Delay():
                await asyncio.sleep(fault.seconds)
                return await self._forward(request, endpoint)
            case HoldAnswer():
                response = await self._forward(request, endpoint)
                if self._kept_back(fault, endpoint, response):
                    return response
                fault.reached.set()
                await fault.release.wait()
                return response
            case _:
                assert_never(fault)

    def _kept_back(self, fault: Fault, endpoint: Endpoint, response: web.Response) -> bool:
        """Keep *fault* for the next request, and return True, if *response* says that this one was not carried out.

        Pebble refuses a few nonces on purpose (RFC 8555 section 6.5), and the client then sends the request again.
        """
        body = response.body
        is_refused = response.status == HTTPStatus.BAD_REQUEST and isinstance(body, bytes) and b"badNonce" in body
        if is_refused:
            self._faults[endpoint].appendleft(fault)
        return is_refused

    async def _forward(self, request: web.Request, endpoint: Endpoint) -> web.Response:
        """Return Pebble's answer."""
        assert self._session is not None
        body = await request.read()
        url = f"https://{self._pebble.address}{request.rel_url}"
        async with (
            self._room.entered(endpoint),
            self._session.request(request.method, url, headers=_end_to_end(request.headers), data=body) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), headers=_end_to_end(answer.headers))

    def _identity(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._pebble.authority.issue_to(self._pebble.folder, "gate", LOOPBACK))
        return context


class _Room:
    """A lock that many fetches of authorizations share and newOrder has alone; first come, first served."""

    def __init__(self) -> None:
        self._door: Final = asyncio.Lock()
        self._visitors = 0
        self._empty: Final = asyncio.Event()
        self._empty.set()

    def entered(self, endpoint: Endpoint) -> AbstractAsyncContextManager[None]:
        """Return the context in which a request for *endpoint* may proceed."""
        match endpoint:
            case Endpoint.NEW_ORDER:
                return self._alone()
            case Endpoint.AUTHORIZATION | Endpoint.CHALLENGE:
                return self._among_others()
            case _:
                return nullcontext()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        async with self._door:
            await self._empty.wait()
            yield

    @asynccontextmanager
    async def _among_others(self) -> AsyncIterator[None]:
        async with self._door:
            self._visitors += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._visitors -= 1
            if not self._visitors:
                self._empty.set()


def _end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return *headers* without the hop-by-hop ones."""
    return [(name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP]


def _reset(request: web.Request) -> web.Response:
    """Reset the connection of *request*; the returned response is never sent."""
    if (transport := request.transport) is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        transport.abort()
    return web.Response()
