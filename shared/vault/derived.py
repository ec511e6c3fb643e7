"""What is made of a ring to work with it, made anew when the ring is another."""

from collections.abc import Callable
from typing import Generic, TypeVar

from shared.vault.rings import Ring, RingSource

T = TypeVar("T")


class Prepared(Generic[T]):
    """What is made of a ring, made anew when the ring is another."""

    def __init__(self, source: RingSource, make: Callable[[Ring], T]) -> None:
        self._source = source
        self._make = make
        self._ring = source.read()
        self._made = make(self._ring)

    def get(self) -> T:
        """Return what *make* makes of the ring as it is now."""
        ring = self._source.read()
        if ring is not self._ring:
            self._ring, self._made = ring, self._make(ring)
        return self._made

    def refresh(self) -> bool:
        """Look at once for a newer ring; say whether there is one."""
        return self._source.refresh()
