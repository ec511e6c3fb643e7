"""Passes over stored keys: each is made anew, batch by batch, until a pass finds none that still can be."""

import time
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from certsmith.rotation.options import Notify, SkippedKey
from shared.errors import SealError
from shared.store import Connection

BATCH: Final = 200  # of a few milliseconds each for PostgreSQL; a cut-off run loses one
_NOTIFY_SECONDS: Final = 1.0


class RenewableItem(Protocol):
    """What is made anew."""

    @property
    def key_id(self) -> str:
        """The stored key that it belongs to."""

    @property
    def ring_key_id(self) -> str:
        """The ring key that it names."""


S = TypeVar("S", bound=RenewableItem)


class Renewal(Protocol[S]):
    """One kind of what is made anew."""

    name: str
    """What is done, for people: `vault: re-wrapped`."""

    async def count(self, connection: Connection) -> int:
        """Return how many are still to do."""

    async def batch(self, connection: Connection, *, after: str, limit: int) -> list[S]:
        """Return up to *limit* of them, by key id, those *after* one."""

    def renew(self, stored: S) -> bytes:
        """Return what takes the place of *stored*.

        Raises:
            SealError: it is not what it claims to be, or needs a ring key that is not here.
        """

    async def replace(self, connection: Connection, new: list[tuple[S, bytes]]) -> int:
        """Put the new in the place of the old; return how many were still as they were read."""


@dataclass(frozen=True, slots=True)
class RenewalResult:
    """How many were made anew, and which were left."""

    done: int
    left: tuple[SkippedKey, ...]


async def renew_all(connection: Connection, renewal: Renewal[S], notify: Notify) -> RenewalResult:
    """Make anew whatever can be, until nothing is left but what cannot."""
    done = 0
    pace = _ProgressNotifier(renewal.name, await renewal.count(connection), notify)
    while True:
        left: list[SkippedKey] = []
        seen, after = 0, ""
        while batch := await renewal.batch(connection, after=after, limit=BATCH):
            new, refused = _renewed(renewal, batch)
            left += refused
            seen += len(new)
            if new:
                done += await renewal.replace(connection, new)
                pace.at(done)
            after = batch[-1].key_id
        if not seen:
            pace.end(done)
            return RenewalResult(done, tuple(left))


def _renewed(renewal: Renewal[S], batch: list[S]) -> tuple[list[tuple[S, bytes]], list[SkippedKey]]:
    new, left = [], []
    for stored in batch:
        try:
            new.append((stored, renewal.renew(stored)))
        except SealError as error:
            left.append(SkippedKey(key_id=stored.key_id, ring_key_id=stored.ring_key_id, reason=str(error)))
    return new, left


class _ProgressNotifier:
    """Tells how far it is, at most once a second, and at the end."""

    def __init__(self, name: str, total: int, notify: Notify) -> None:
        self._name = name
        self._total = total
        self._notify = notify
        self._began_at = self._notified_at = time.monotonic()

    def at(self, done: int) -> None:
        if time.monotonic() >= self._notified_at + _NOTIFY_SECONDS:
            self._notified_at = time.monotonic()
            self._say(done)

    def end(self, done: int) -> None:
        if done:
            self._say(done)

    def _say(self, done: int) -> None:
        rate = done / max(time.monotonic() - self._began_at, 1e-3)
        self._notify(f"{self._name} {done:,} of {max(done, self._total):,} keys, {rate:,.0f} a second")
