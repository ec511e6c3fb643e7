"""Renews stored keys, batch by batch, in passes, until a pass finds none left that can be renewed."""

import time
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from certsmith.rotation.options import Notify, SkippedKey
from shared.errors import SealError
from shared.store import Connection

BATCH: Final = 200  # a batch costs PostgreSQL a few milliseconds; an interrupted run loses one batch
_NOTIFY_SECONDS: Final = 1.0


class RenewableItem(Protocol):
    """A stored wrap or signature that can be renewed."""

    @property
    def key_id(self) -> str:
        """The id of the stored key that it belongs to."""

    @property
    def ring_key_id(self) -> str:
        """The id of the ring key that it is sealed to or signed with."""


S = TypeVar("S", bound=RenewableItem)


class Renewal(Protocol[S]):
    """The renewal of all wraps, or of all signatures, that still name an older ring key."""

    name: str
    """The work in words for people: `vault: re-wrapped`."""

    async def count(self, connection: Connection) -> int:
        """Return how many items are still to be renewed."""

    async def batch(self, connection: Connection, *, after: str, limit: int) -> list[S]:
        """Return up to *limit* of these items, ordered by key id, starting after the key id *after*."""

    def renew(self, stored: S) -> bytes:
        """Return the new wrap or signature for *stored*.

        Raises:
            SealError: *stored* is not what it claims to be, or needs a ring key that is not here.
        """

    async def replace(self, connection: Connection, new: list[tuple[S, bytes]]) -> int:
        """Replace the items; return how many still were as they had been read, and so were replaced."""


@dataclass(frozen=True, slots=True)
class RenewalResult:
    """The number of renewed items, and the keys that could not be renewed."""

    done: int
    left: tuple[SkippedKey, ...]


async def renew_all(connection: Connection, renewal: Renewal[S], notify: Notify) -> RenewalResult:
    """Renew all items, pass after pass, until only those are left that cannot be renewed."""
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
    """Reports the progress at most once a second, and at the end."""

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
