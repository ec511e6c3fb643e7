"""The open connections of a worker's clients."""

import asyncio

from services.terminator.counters import Count, Figures


class Connections:
    """The open connections of clients, at most *most*."""

    def __init__(self, most: int, figures: Figures) -> None:
        self._most = most
        self._figures = figures
        self._open: set[asyncio.Transport] = set()
        self.emptied: asyncio.Event = asyncio.Event()
        self.emptied.set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, transport: asyncio.Transport) -> bool:
        """Take *transport* in; when there are too many already, end it and return False."""
        if len(self._open) >= self._most:
            self._figures.add(Count.CONNECTIONS_TURNED_AWAY)
            transport.abort()
            return False
        self._open.add(transport)
        self.emptied.clear()
        return True

    def discard(self, transport: asyncio.BaseTransport) -> None:
        """*transport* has ended."""
        self._open.discard(transport)
        if not self._open:
            self.emptied.set()

    def abort_all(self) -> None:
        """End all at once."""
        for transport in list(self._open):
            transport.abort()
