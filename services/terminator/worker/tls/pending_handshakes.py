"""Handshakes that have a TLS context but have not shown its certificate yet.

The certificate is sent with the first flight, at once, with one exception: a client that guessed an unsupported group
is asked again (HelloRetryRequest, RFC 8446 section 4.1.4), and gets the certificate after its second ClientHello. Until
then it may still show the certificate of a dropped context, so a drop is complete only when it has ended.
"""

from collections.abc import Callable

from services.terminator.name_cache import NameCache

UNBOUNDED = 1 << 62  # the number of handshakes is bounded elsewhere


class PendingHandshakes:
    """The pending handshakes by name, and callbacks for when they have ended."""

    def __init__(self) -> None:
        self._names: NameCache[set[object]] = NameCache(UNBOUNDED)
        self._waits: list[tuple[set[object], Callable[[], None]]] = []

    def add(self, name: str, handshake: object) -> None:
        """Note that *handshake* may show the certificate of *name* later."""
        handshakes = self._names.get(name)
        if handshakes is None:
            handshakes = set()
            self._names.put(name, handshakes)
        handshakes.add(handshake)

    def discard(self, name: str, handshake: object) -> None:
        """Note that *handshake* has shown the certificate, or never will."""
        handshakes = self._names.get(name)
        if handshakes is None or handshake not in handshakes:
            return
        handshakes.remove(handshake)
        if not handshakes:
            self._names.drop(name)
        for wait in self._waits[:]:
            wait[0].discard(handshake)
            if not wait[0]:
                self._waits.remove(wait)
                wait[1]()

    def when_shown(self, domain: str, then: Callable[[], None]) -> None:
        """Call *then* when all handshakes for names under *domain* that are pending now have ended."""
        handshakes = {item for name in self._names.covered(domain) for item in self._names.get(name) or ()}
        if handshakes:
            self._waits.append((handshakes, then))
        else:
            then()
