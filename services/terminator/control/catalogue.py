"""What the node knows of names: rows, bounded, never older than the last hint about them.

Rules:

* What a read returns is kept only if no hint about its name came since the read began (`Batches`).
* A hint makes what is known of a name *stale*: it is read again before it is used. While the store does not answer a
  stale row is used all the same: a terminator goes on serving what it has.
* That a name is nobody's is forgotten at once by a hint, is never concluded from a failure, and is believed for a
  bounded time, for a bounded number of names that push out no row.
* What goes from here for want of room must go from the workers too (*on_evicted*), so no worker holds what the node
  does not know of.
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
    """What the node held of a domain when a hint came: rows, or that a name was nobody's, or somebody is asking."""

    rows: bool
    other: bool


class Catalogue:
    """Domains by the names that are asked for."""

    def __init__(self, store: Store, *, size: int, nobodys_seconds: float, on_evicted: Callable[[str], None]) -> None:
        self._store = store
        self._known: NameCache[_Known] = NameCache(size)
        self._nobodys: NameCache[float] = NameCache(size)  # until when, loop time
        self._nobodys_seconds = nobodys_seconds
        self._on_evicted = on_evicted
        self._batches: Batches[Domain] = Batches(self._read, self._keep)
        self.since: str | None = None  # the instant of the first read, or of the last catching-up

    @property
    def sizes(self) -> tuple[int, int]:
        """How many names have a row here, and how many are known to be nobody's."""
        return len(self._known), len(self._nobodys)

    async def find(self, name: str) -> Domain | None:
        """Return the domain that decides what *name* gets, None when the name is nobody's.

        The answer is no older than the last hint in the moment of the return: use it before the next await.

        Raises:
            StoreUnavailableError: nothing is known, and the store does not answer.
        """
        while True:
            known = self._known.get(name)
            if known is not None and not known.stale:
                return known.domain
            if known is None and self.nobodys_seconds(name) > 0:
                return None
            try:
                await self._batches.get(name)
            except StoreUnavailableError:
                known = self._known.get(name)
                if known is None:
                    raise
                return known.domain
            if self._nobodys.get(name) is not None:  # as of this read, though it may not be believed for long
                return None

    async def reread(self, domain: str) -> Domain | None:
        """Return the row of *domain* as it is now, and know it from now on; None when there is none.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        row = await self._batches.get(domain)
        return row if row is not None and row.name == domain else None

    def nobodys_seconds(self, name: str) -> float:
        """Return for how long it can be believed that *name* is nobody's; 0 when it cannot."""
        until = self._nobodys.get(name)
        return 0.0 if until is None else max(0.0, until - asyncio.get_running_loop().time())

    def hint(self, domain: str) -> Held:
        """Believe nothing any more that is known of *domain* and of what it covers."""
        asked = self._batches.overtake(domain)
        names = self._known.covered(domain)
        for name in names:
            known = self._known.get(name)
            assert known is not None
            known.stale = True
        nobodys = self._nobodys.covered(domain)
        for name in nobodys:
            self._nobodys.drop(name)
        return Held(rows=bool(names), other=asked or bool(nobodys))

    def version_of(self, domain: str) -> int | None:
        """Return the version at which the row of *domain* is known, None when it is not or is stale."""
        known = [self._known.get(name) for name in self._known.covered(domain)]
        versions = {
            None if item.stale else item.domain.version for item in known if item and item.domain.name == domain
        }
        return versions.pop() if len(versions) == 1 else None

    def domains_with(self, certificate_id: str) -> set[str]:
        """Return the known domains that could be served with a certificate."""
        rows = [known.domain for _, known in self._known.items()]
        return {
            row.name
            for row in rows
            if certificate_id in {item.id for item in (row.named, row.attached, row.automatic) if item}
        }

    async def run(self) -> None:
        """Read what is asked for, until cancelled."""
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
            self._nobodys.put(name, asyncio.get_running_loop().time() + self._nobodys_seconds)
            return
        self._nobodys.drop(name)
        if (evicted := self._known.put(name, _Known(domain))) is not None:
            self._on_evicted(evicted)

    def _follow(self, wildcard: str, domain: Domain | None) -> None:
        """Have the names that *wildcard* decides follow its row: they must not fall back behind what was seen of it."""
        for name in self._known.covered(wildcard):
            known = self._known.get(name)
            if known is None or known.domain.name != wildcard:
                continue
            if domain is None:
                self._known.drop(name)
            else:
                known.domain = domain
