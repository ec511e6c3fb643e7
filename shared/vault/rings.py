"""Key rings: files that hold the keys of one purpose, the newest for new work and the older ones to open old work.

A ring file is JSON, ``{"ring": "vault", "keys": [{"id": …, "secret": base64, "created_at": …, "retired_at": null}]}``.
Keys have either a `secret` (the whole key) or a `public` half; those of the verify ring also say whose they are. A key
with `active_from` is for new work from then on only, so that every reader has it before any writer uses it. The newest
key that is active and not retired is the current one. Retired keys still open what was sealed to them.
"""

import base64
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import SettingsError
from shared.vault import in_place

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


class _KeyEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    id: Annotated[str, Field(pattern=r"^[0-9a-z][0-9a-z-]{0,99}$")]
    writer: str | None = None
    public: str | None = None
    secret: Annotated[str | None, Field(repr=False)] = None
    created_at: AwareDatetime
    active_from: AwareDatetime | None = None
    retired_at: AwareDatetime | None = None


class _RingFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    ring: str
    keys: Annotated[tuple[_KeyEntry, ...], Field(min_length=1)]


def load(path: Path, *, ring: str, half: Half) -> Ring:
    """Return the *ring* whose keys' *half* the file at *path* holds.

    Raises:
        SettingsError: there is no such file, or it holds something else; its content is not shown.
    """
    try:
        document = _RingFile.model_validate_json(in_place.read(path))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such key ring; `certsmith keys generate` makes all of them") from None
    except OSError as error:
        raise SettingsError(f"{path}: the key ring cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        )
        if in_place.spare_of(path).exists():
            problems += "; the rotation that wrote it was cut off: run it again, and it ends what it began"
        raise SettingsError(f"{path}: not a key ring: {problems}") from None
    if document.ring != ring:
        raise SettingsError(f"{path}: holds the key ring {document.ring!r}; {ring!r} was expected")
    return Ring(name=ring, keys=tuple(_ring_key(entry, half, path) for entry in document.keys))


def dump(ring: Ring, *, half: Half) -> bytes:
    """Return the content of the file that holds *half* of each key of *ring*."""
    keys = [
        {
            "id": key.id,
            **({} if key.writer is None else {"writer": key.writer}),
            half: base64.b64encode(key.material).decode(),
            "created_at": key.created_at.isoformat(),
            **({} if key.active_from is None else {"active_from": key.active_from.isoformat()}),
            "retired_at": None if key.retired_at is None else key.retired_at.isoformat(),
        }
        for key in ring.keys
    ]
    return json.dumps({"ring": ring.name, "keys": keys}, indent=2).encode() + b"\n"


def _ring_key(entry: _KeyEntry, half: Half, path: Path) -> RingKey:
    text = entry.public if half == "public" else entry.secret
    if text is None:
        raise SettingsError(f"{path}: the key {entry.id} has no {half} half, which is needed here")
    try:
        material = base64.b64decode(text, validate=True)
    except ValueError:
        material = b""
    if len(material) != KEY_BYTES:
        raise SettingsError(f"{path}: the {half} half of the key {entry.id} is not {KEY_BYTES} bytes in base64")
    return RingKey(
        id=entry.id,
        material=material,
        created_at=entry.created_at,
        active_from=entry.active_from,
        retired_at=entry.retired_at,
        writer=entry.writer,
    )
