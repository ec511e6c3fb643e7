"""What a worker counts, and how the control process calls it at `/metrics`.

Both sides know the same list, so numbers travel without names. Counts only grow; levels come and go.
"""

from enum import IntEnum


class Count(IntEnum):
    """What happened, how often."""

    HANDSHAKES_SERVED = 0
    HANDSHAKES_DEFAULT = 1
    HANDSHAKES_FAILED = 2  # by TLS: no common version, cipher, ...; the client went away
    HANDSHAKES_MALFORMED = 3  # no ClientHello
    HANDSHAKES_REFUSED = 4  # the store does not answer, or the sealed key was refused
    HANDSHAKES_LATE = 5  # slow, or pushed out by newer ones
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


class Level(IntEnum):
    """How many there are now."""

    HANDSHAKES = 0
    CONNECTIONS = 1
    CONTEXTS = 2


class Figures:
    """The numbers of one worker since they were last taken."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = [0] * len(Count)

    def add(self, count: Count, amount: int = 1) -> None:
        """Count *amount* more."""
        self.counts[count] += amount

    def take(self) -> tuple[int, ...]:
        """Return all counts and start again at zero."""
        taken = tuple(self.counts)
        self.counts = [0] * len(Count)
        return taken
