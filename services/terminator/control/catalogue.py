"""The node's cache of names: rows, limited in number, never older than the last hint about them.

Rules:

* The result of a read is kept only if no hint about its name came since the read began (`Batches`).
* A hint makes the row of a name *stale*: it is read again before it is used. While the store does not answer, a stale
  row is used all the same: a terminator continues to serve from its cache.
* That a name is unknown is never concluded from a failure, is forgotten at a hint, and is kept for a limited time, in a
  cache of limited size that evicts no row.
* A name that is evicted here must be dropped by the workers too (*on_evicted*). So no worker holds a name that the node
  does not know.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from services.terminator.control.batches import Batches
from services.terminator.name_cache import NameCache
from services.terminator.ports import Store
from services.terminator.rules.selection import Domain, candidates, decide
from shared.errors import StoreUnavailableError


@dataclass(slots=True)
class _Known:
    domain: Domain
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What the node held about a domain when a hint came.

    *rows*: rows of names that it covers. *other*: unknown names that it covers, or reads in progress.
    """

    rows: bool
    other: bool


class Catalogue:
    """Finds the domain that decides what a name gets."""

    def __init__(self, store: Store, *, size: int, unknown_seconds: float, on_evicted: Callable[[str], None]) -> None:
        self._store = store
        self._known: NameCache[_Known] = NameCache(size)
        self._unknown: NameCache[float] = NameCache(size)  # valid until (loop time)
        self._unknown_seconds = unknown_seconds
        self._on_evicted = on_evicted
        self._batches: Batches[Domain] = Batches(self._read, self._keep)
        self.since: str | None = None  # xmin of the first read, or of the last catch-up

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of names with a row here, and of unknown names."""
        return len(self._known), len(self._unknown)

    async def find(self, name: str) -> Domain | None:
        """Return the domain that decides what *name* gets, None when the name is unknown.

        At the moment of the return, the result is no older than the last hint. Use it before the next await.

        Raises:
            StoreUnavailableError: the name is not cached, and the store does not answer.
        """
        while True:
            known = self._known.get(name)
            if known is not None and not known.stale:
                return known.domain
            if known is None and self.unknown_seconds(name) > 0:
                return None
            try:
                await self._batches.get(name)
            except StoreUnavailableError:
                known = self._known.get(name)
                if known is None:
                    raise
                return known.domain
            if self._unknown.get(name) is not None:  # by this read, even if it is not kept for long
                return None

    async def reread(self, domain: str) -> Domain | None:
        """Read the row of *domain*, cache it and return it; None when there is none.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        row = await self._batches.get(domain)
        return row if row is not None and row.name == domain else None

    def unknown_seconds(self, name: str) -> float:
        """Return for how many seconds *name* still counts as unknown; 0 when it does not."""
        until = self._unknown.get(name)
        return 0.0 if until is None else max(0.0, until - asyncio.get_running_loop().time())

    def hint(self, domain: str) -> Held:
        """Mark everything cached for *domain* and the names it covers as stale."""
        being_read = self._batches.mark_outdated(domain)
        names = self._known.covered(domain)
        for name in names:
            known = self._known.get(name)
            assert known is not None
            known.stale = True
        unknown = self._unknown.covered(domain)
        for name in unknown:
            self._unknown.drop(name)
        return Held(rows=bool(names), other=being_read or bool(unknown))

    def version_of(self, domain: str) -> int | None:
        """Return the cached version of the row of *domain*, None when it is not cached or is stale."""
        known = [self._known.get(name) for name in self._known.covered(domain)]
        versions = {
            None if item.stale else item.domain.version for item in known if item and item.domain.name == domain
        }
        return versions.pop() if len(versions) == 1 else None

    def domains_with(self, certificate_id: str) -> set[str]:
        """Return the cached domains that may be served with the certificate."""
        rows = [known.domain for _, known in self._known.items()]
        return {
            row.name
            for row in rows
            if certificate_id in {item.id for item in (row.named, row.attached, row.automatic) if item}
        }

    async def run(self) -> None:
        """Read the names that are asked for, until cancelled."""
        await self._batches.run()

    async def _read(self, names: Collection[str]) -> Mapping[str, Domain]:
        snapshot = await self._store.domains({candidate for name in names for candidate in candidates(name)})
        if self.since is None:
            self.since = snapshot.xmin
        decided = ((name, decide(name, snapshot.domains)) for name in names)
        return {name: domain for name, domain in decided if domain is not None}

    def _keep(self, name: str, domain: Domain | None) -> None:
        self._follow(name, domain)
        if domain is None:
            self._known.drop(name)
            self._unknown.put(name, asyncio.get_running_loop().time() + self._unknown_seconds)
            return
        self._unknown.drop(name)
        if (evicted := self._known.put(name, _Known(domain))) is not None:
            self._on_evicted(evicted)

    def _follow(self, wildcard: str, domain: Domain | None) -> None:
        """Update the names that *wildcard* decides: none may keep an older version of its row than was read."""
        for name in self._known.covered(wildcard):
            known = self._known.get(name)
            if known is None or known.domain.name != wildcard:
                continue
            if domain is None:
                self._known.drop(name)
            else:
                known.domain = domain
