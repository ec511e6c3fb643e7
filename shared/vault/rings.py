"""Key rings: the keys of one purpose, the newest for new work and the older ones to open old work.

A key with `active_from` is for new work from then on only, so that every reader has it before any writer uses it. The
newest key that is active and not retired is the current one. Retired keys still open what was sealed to them.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal, Protocol

from shared.errors import SettingsError

Half = Literal["public", "secret"]

KEY_BYTES: Final = 32  # of every key here: X25519, Ed25519, XChaCha20-Poly1305


class KeyState(StrEnum):
    """What a key is for."""

    CURRENT = "current"
    """New work."""
    NEXT = "next"
    """New work from a later time on."""
    OLDER = "older"
    """Old work; a rotation is under way, or was cut off."""
    RETIRED = "retired"
    """Old work, if there is any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """A key of a ring: its secret, or its public half, as the file says."""

    id: str
    material: bytes = field(repr=False)
    created_at: datetime
    active_from: datetime | None = None  # None: since it was made
    retired_at: datetime | None = None
    writer: str | None = None  # in the verify ring: the service whose signatures it checks

    @property
    def begins_at(self) -> datetime:
        """The instant from which the key is for new work."""
        return self.active_from or self.created_at

    def is_active_at(self, instant: datetime) -> bool:
        """Say whether the key has become active by *instant*; one that does not say when has, whatever clocks say."""
        return self.active_from is None or self.active_from <= instant

    def is_retired_at(self, instant: datetime) -> bool:
        """Say whether the key is for no new work at *instant*."""
        return self.retired_at is not None and self.retired_at <= instant


class RingSource(Protocol):
    """A ring as it is now: one that never changes, or the content of a file."""

    def read(self) -> "Ring":
        """Return the ring, at most a moment old."""

    def refresh(self) -> bool:
        """Look at once for a newer ring; say whether there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The keys of one purpose; also the source of a ring that never changes."""

    name: str
    keys: tuple[RingKey, ...]

    def current_at(self, instant: datetime) -> RingKey:
        """Return the key for new work at *instant*.

        Raises:
            SettingsError: all are retired, or are to become active later.
        """
        candidates = [key for key in self.keys if key.is_active_at(instant) and not key.is_retired_at(instant)]
        if not candidates:
            raise SettingsError(f"the key ring {self.name} has no key that is active and not retired")
        return max(candidates, key=lambda key: key.begins_at)

    def state_of(self, key: RingKey, instant: datetime) -> KeyState:
        """Return what *key* is for at *instant*; in the verify ring each writer has a current one."""
        if key.is_retired_at(instant):
            return KeyState.RETIRED
        if not key.is_active_at(instant):
            return KeyState.NEXT
        peers = replace(self, keys=tuple(each for each in self.keys if each.writer == key.writer))
        return KeyState.CURRENT if key == peers.current_at(instant) else KeyState.OLDER

    def find(self, key_id: str) -> RingKey | None:
        """Return the key with this id, None when it is not here."""
        return next((key for key in self.keys if key.id == key_id), None)

    def read(self) -> "Ring":
        """Return the ring itself."""
        return self

    def refresh(self) -> bool:
        """Say that there is no newer one."""
        return False


def utc_now() -> datetime:
    """Return the time by which keys become active."""
    return datetime.now(UTC)
