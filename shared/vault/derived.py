"""A value derived from a key ring, rebuilt when the ring changes."""

from collections.abc import Callable
from typing import Generic, TypeVar

from shared.vault.rings import Ring, RingSource

T = TypeVar("T")


class Derived(Generic[T]):
    """A value derived from a key ring, rebuilt when the ring changes."""

    def __init__(self, source: RingSource, make: Callable[[Ring], T]) -> None:
        self._source = source
        self._make = make
        self._ring = source.read()
        self._made = make(self._ring)

    def get(self) -> T:
        """Return the value for the ring as it is now."""
        ring = self._source.read()
        if ring is not self._ring:
            self._ring, self._made = ring, self._make(ring)
        return self._made

    def refresh(self) -> bool:
        """Read the ring again now; say whether it has changed."""
        return self._source.refresh()
