"""The open connections of a worker's clients."""

import asyncio

from services.terminator.counters import Counters, WorkerCounter


class Connections:
    """The open connections of clients, at most *most*."""

    def __init__(self, most: int, counters: Counters) -> None:
        self._most = most
        self._counters = counters
        self._open: set[asyncio.Transport] = set()
        self.emptied: asyncio.Event = asyncio.Event()
        self.emptied.set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, transport: asyncio.Transport) -> bool:
        """Add *transport*; when the limit is reached, abort it instead and return False."""
        if len(self._open) >= self._most:
            self._counters.add(WorkerCounter.CONNECTIONS_TURNED_AWAY)
            transport.abort()
            return False
        self._open.add(transport)
        self.emptied.clear()
        return True

    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Remove *transport*, which has ended."""
        self._open.discard(transport)
        if not self._open:
            self.emptied.set()

    def abort_all(self) -> None:
        """Abort all open connections."""
        for transport in list(self._open):
            transport.abort()
