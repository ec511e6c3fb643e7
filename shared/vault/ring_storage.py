"""Read and write key rings as JSON files.

A file has the form ``{"ring": "vault", "keys": [{"id": …, "secret": base64, "created_at": …, "retired_at": null}]}``.
Each key has either a `secret` (the whole key) or a `public` half. Keys of the verify ring also name their `writer`, and
keys made by a rotation have `active_from`, the time from which they are used for new work.
"""

import base64
import json
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import SettingsError
from shared.vault import in_place
from shared.vault.rings import KEY_BYTES, Half, Ring, RingKey


class _KeyEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    id: Annotated[str, Field(pattern=r"^[0-9a-z][0-9a-z-]{0,99}$")]
    writer: str | None = None
    public: str | None = None
    secret: Annotated[str | None, Field(repr=False)] = None
    created_at: AwareDatetime
    active_from: AwareDatetime | None = None
    retired_at: AwareDatetime | None = None


class _RingDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    ring: str
    keys: Annotated[tuple[_KeyEntry, ...], Field(min_length=1)]


def load(path: Path, *, ring: str, half: Half) -> Ring:
    """Return the *ring* with the *half* of each key that the file at *path* contains.

    Raises:
        SettingsError: there is no such file, or it contains something else. The error does not show the content.
    """
    try:
        document = _RingDocument.model_validate_json(in_place.read(path))
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
            problems += "; the rotation that wrote it was interrupted: run it again, and it will finish"
        raise SettingsError(f"{path}: not a key ring: {problems}") from None
    if document.ring != ring:
        raise SettingsError(f"{path}: contains the key ring {document.ring!r}; {ring!r} was expected")
    return Ring(name=ring, keys=tuple(_ring_key(entry, half, path) for entry in document.keys))


def dump(ring: Ring, *, half: Half) -> bytes:
    """Return the content of a file with *half* of each key of *ring*."""
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
        raise SettingsError(f"{path}: the key {entry.id} has no {half} half, which this file must contain")
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
