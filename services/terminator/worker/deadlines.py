"""Deadlines for very many connections at once.

All connections in one `Deadlines` have the same time limit, so the first added expires first: a periodic look at the
oldest replaces one timer for each connection.
"""

import asyncio
from typing import Protocol


class Expiring(Protocol):
    """The protocol of a transport that has a deadline."""

    def expire(self) -> None:
        """End the connection: its deadline has passed."""


class Deadlines:
    """Expires connections after *seconds*; if there are more than *most*, the oldest at once."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._since: dict[asyncio.Transport, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def add(self, transport: asyncio.Transport) -> None:
        """Start the deadline of *transport*, whose protocol must be an `Expiring` until it is discarded."""
        self._since[transport] = asyncio.get_running_loop().time()
        if len(self._since) > self._most:
            self._expire(next(iter(self._since)))

    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Cancel the deadline of *transport*, if it has one."""
        self._since.pop(transport, None)  # type: ignore[call-overload] # any transport may be asked for

    def sweep(self) -> None:
        """Expire every connection whose deadline has passed."""
        limit = asyncio.get_running_loop().time() - self._seconds
        while self._since:
            transport, since = next(iter(self._since.items()))
            if since > limit:
                return
            self._expire(transport)

    def _expire(self, transport: asyncio.Transport) -> None:
        del self._since[transport]
        protocol: Expiring = transport.get_protocol()  # type: ignore[assignment] # as `add` demands
        protocol.expire()
