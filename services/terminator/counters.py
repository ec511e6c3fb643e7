"""The counters and gauges of a worker, which the control process adds up for `/metrics`.

Both sides know the same two lists, so the numbers travel without names.
"""

from enum import IntEnum


class WorkerCounter(IntEnum):
    """Events that a worker counts."""

    HANDSHAKES_SERVED = 0
    HANDSHAKES_DEFAULT = 1
    HANDSHAKES_FAILED = 2  # by TLS: no common version, no common cipher, ...; or the client disconnected
    HANDSHAKES_MALFORMED = 3  # no ClientHello
    HANDSHAKES_REFUSED = 4  # the store does not answer, or the sealed key was refused
    HANDSHAKES_LATE = 5  # past the deadline, or ended to make room for newer ones
    CONTEXTS_BUILT = 6
    UPSTREAMS_DIALLED = 7
    UPSTREAMS_FAILED = 8
    UPSTREAMS_FORBIDDEN = 9
    BYTES_FROM_CLIENTS = 10
    BYTES_FROM_UPSTREAMS = 11
    CHALLENGES_ANSWERED = 12
    REDIRECTS = 13
    HTTP_REFUSED = 14
    CONNECTIONS_TURNED_AWAY = 15


class WorkerGauge(IntEnum):
    """Numbers that a worker has at the moment."""

    HANDSHAKES = 0
    CONNECTIONS = 1
    CONTEXTS = 2


class Counters:
    """The counters of one worker, since they were last reported."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values = [0] * len(WorkerCounter)

    def add(self, counter: WorkerCounter, amount: int = 1) -> None:
        """Add *amount* to *counter*."""
        self.values[counter] += amount

    def take(self) -> tuple[int, ...]:
        """Return all values and reset them to zero."""
        values = tuple(self.values)
        self.values = [0] * len(WorkerCounter)
        return values
