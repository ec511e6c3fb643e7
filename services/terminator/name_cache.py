"""A bounded cache by host name that finds its entries under a domain, wildcards included.

A wildcard covers every host one label below it (RFC 9525 section 6.3), and itself. Any other domain covers only itself.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from shared.names import is_wildcard, parent_wildcard

V = TypeVar("V")


class NameCache(Generic[V]):
    """At most *size* values by host name; the least recently used is evicted first."""

    __slots__ = ("_below", "_size", "_values")

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, V] = OrderedDict()
        self._below: dict[str, set[str]] = {}  # wildcard -> the names here that it covers

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str) -> V | None:
        """Return the value of *name*, and mark it as the most recently used."""
        value = self._values.get(name)
        if value is not None:
            self._values.move_to_end(name)
        return value

    def put(self, name: str, value: V) -> str | None:
        """Store *value* for *name*; return the name that was evicted for it, if any."""
        self._values[name] = value
        self._values.move_to_end(name)
        if (wildcard := parent_wildcard(name)) is not None:
            self._below.setdefault(wildcard, set()).add(name)
        if len(self._values) <= self._size:
            return None
        oldest = next(iter(self._values))
        self.drop(oldest)
        return oldest

    def drop(self, name: str) -> V | None:
        """Remove *name* and return its value."""
        value = self._values.pop(name, None)
        wildcard = parent_wildcard(name)
        if value is not None and wildcard is not None:
            names = self._below[wildcard]
            names.remove(name)
            if not names:
                del self._below[wildcard]
        return value

    def covered(self, domain: str) -> list[str]:
        """Return the names here that *domain* covers."""
        if is_wildcard(domain):
            return list(self._below.get(domain, ()))
        return [domain] if domain in self._values else []

    def items(self) -> list[tuple[str, V]]:
        """Return all names with their values."""
        return list(self._values.items())
