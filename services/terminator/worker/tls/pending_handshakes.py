"""Handshakes that have a context and have not shown its certificate yet.

The certificate goes out with the first flight, at once, but for one case: a client that guessed the wrong group is
asked again (HelloRetryRequest, RFC 8446 section 4.1.4) and shown the certificate in answer to its second ClientHello.
A dropped context may still be shown by these, so who dropped it waits for them.
"""

from collections.abc import Callable

from services.terminator.name_cache import NameCache

UNBOUNDED = 1 << 62  # as many as there may be handshakes


class Unshown:
    """The handshakes by name, and who waits for them to end."""

    def __init__(self) -> None:
        self._names: NameCache[set[object]] = NameCache(UNBOUNDED)
        self._waits: list[tuple[set[object], Callable[[], None]]] = []

    def add(self, name: str, handshake: object) -> None:
        """*handshake* may show the certificate of *name* later."""
        handshakes = self._names.get(name)
        if handshakes is None:
            handshakes = set()
            self._names.put(name, handshakes)
        handshakes.add(handshake)

    def discard(self, name: str, handshake: object) -> None:
        """*handshake* has shown it, or never will."""
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
        """Call *then* when none of the handshakes that *domain* covers is left; at once when there is none."""
        handshakes = {item for name in self._names.covered(domain) for item in self._names.get(name) or ()}
        if handshakes:
            self._waits.append((handshakes, then))
        else:
            then()
