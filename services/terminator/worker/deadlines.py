"""Time limits for very many connections at once.

All connections of a watch have the same time, so the first in is the first out: one look at the oldest each now and
then, instead of a timer for each.
"""

import asyncio
from typing import Protocol


class Late(Protocol):
    """What a watched transport's protocol must have."""

    def late(self) -> None:
        """End the connection: its time is over."""


class Watch:
    """Ends connections after *seconds*; when there are more than *most*, the oldest at once."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._since: dict[asyncio.Transport, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def add(self, transport: asyncio.Transport) -> None:
        """Begin to watch *transport*, whose protocol is a `Late` as long as it is watched."""
        self._since[transport] = asyncio.get_running_loop().time()
        if len(self._since) > self._most:
            self._end(next(iter(self._since)))

    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Watch *transport* no more."""
        self._since.pop(transport, None)  # type: ignore[call-overload] # any transport may be asked for

    def sweep(self) -> None:
        """End what is late."""
        limit = asyncio.get_running_loop().time() - self._seconds
        while self._since:
            transport, since = next(iter(self._since.items()))
            if since > limit:
                return
            self._end(transport)

    def _end(self, transport: asyncio.Transport) -> None:
        del self._since[transport]
        protocol: Late = transport.get_protocol()  # type: ignore[assignment] # as `add` asks
        protocol.late()
