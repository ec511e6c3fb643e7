"""Key rings: the keys of one purpose. The newest key does new work (seals, signs), older keys open old work.

A key with `active_from` does new work only from that time on, so that every reader has the key before any writer uses
it. The newest key that is active and not retired is the *current* key. Retired keys still open data sealed to them.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal, Protocol

from shared.errors import SettingsError

Half = Literal["public", "secret"]

KEY_BYTES: Final = 32  # for every kind of key in use: X25519, Ed25519, XChaCha20-Poly1305


class KeyState(StrEnum):
    """The use of a key at some instant."""

    CURRENT = "current"
    """Used for new work."""
    NEXT = "next"
    """Used for new work from a later time on."""
    OLDER = "older"
    """Used for old work; a rotation is under way or was interrupted."""
    RETIRED = "retired"
    """Used for old work, if any is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """A key of a ring; *material* is its secret or its public half, depending on the file."""

    id: str
    material: bytes = field(repr=False)
    created_at: datetime
    active_from: datetime | None = None  # None: active since it was created
    retired_at: datetime | None = None
    writer: str | None = None  # in the verify ring: the service whose signatures it verifies

    @property
    def begins_at(self) -> datetime:
        """The instant from which the key is used for new work."""
        return self.active_from or self.created_at

    def is_active_at(self, instant: datetime) -> bool:
        """Say whether the key is active at *instant*; without `active_from` it always is, whatever the clock says."""
        return self.active_from is None or self.active_from <= instant

    def is_retired_at(self, instant: datetime) -> bool:
        """Say whether the key is retired at *instant*, so not used for new work."""
        return self.retired_at is not None and self.retired_at <= instant


class RingSource(Protocol):
    """A source of the current ring: a ring that never changes, or the content of a file."""

    def read(self) -> "Ring":
        """Return the ring, which may be slightly out of date."""

    def refresh(self) -> bool:
        """Read the ring again now; say whether it has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The keys of one purpose. A ring is also a `RingSource` that never changes."""

    name: str
    keys: tuple[RingKey, ...]

    def current_at(self, instant: datetime) -> RingKey:
        """Return the key for new work at *instant*.

        Raises:
            SettingsError: every key is retired or not active yet.
        """
        candidates = [key for key in self.keys if key.is_active_at(instant) and not key.is_retired_at(instant)]
        if not candidates:
            raise SettingsError(f"the key ring {self.name} has no key that is active and not retired")
        return max(candidates, key=lambda key: key.begins_at)

    def state_of(self, key: RingKey, instant: datetime) -> KeyState:
        """Return the state of *key* at *instant*. In the verify ring, each writer has its own current key."""
        if key.is_retired_at(instant):
            return KeyState.RETIRED
        if not key.is_active_at(instant):
            return KeyState.NEXT
        peers = replace(self, keys=tuple(each for each in self.keys if each.writer == key.writer))
        return KeyState.CURRENT if key == peers.current_at(instant) else KeyState.OLDER

    def find(self, key_id: str) -> RingKey | None:
        """Return the key with this id, None if it is not in the ring."""
        return next((key for key in self.keys if key.id == key_id), None)

    def read(self) -> "Ring":
        """Return the ring itself."""
        return self

    def refresh(self) -> bool:
        """Return False: this ring never changes."""
        return False


def utc_now() -> datetime:
    """Return the current time, which decides whether keys are active."""
    return datetime.now(UTC)
