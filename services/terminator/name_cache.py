"""A bounded cache by host name that knows which of its names a domain's row may be about.

A row for a host is about that host; a row for a wildcard is about every host one label below it (RFC 9525 section
6.3), and about itself.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from shared.names import is_wildcard, parent_wildcard

V = TypeVar("V")


class NameCache(Generic[V]):
    """At most *size* values by host name; the one that was not asked for longest goes first."""

    __slots__ = ("_below", "_size", "_values")

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, V] = OrderedDict()
        self._below: dict[str, set[str]] = {}  # a wildcard -> what is here of itself and one label below it

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str) -> V | None:
        """Return what is here for *name*, and take it for the last to go."""
        value = self._values.get(name)
        if value is not None:
            self._values.move_to_end(name)
        return value

    def put(self, name: str, value: V) -> str | None:
        """Keep *value* for *name*; return the name that had to go for it, if any."""
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
        """Forget *name* and return what was here for it."""
        value = self._values.pop(name, None)
        wildcard = parent_wildcard(name)
        if value is not None and wildcard is not None:
            names = self._below[wildcard]
            names.remove(name)
            if not names:
                del self._below[wildcard]
        return value

    def covered(self, domain: str) -> list[str]:
        """Return the names here that the row of *domain* may be about."""
        if is_wildcard(domain):
            return list(self._below.get(domain, ()))
        return [domain] if domain in self._values else []

    def items(self) -> list[tuple[str, V]]:
        """Return all that is here."""
        return list(self._values.items())
