"""The two files of a ring, and the steps of its rotation. Every step can be interrupted, and repeated.

Rules:

* The file with the secrets is authoritative; the file with the public halves follows it.
* A new key is first written to the file of its *readers* (which open or verify), and becomes active later, so that
  every reader knows it before any writer uses it.
* A key to be removed is first removed from the file of its *writers*.
* Between the two writes, both files are usable, by whichever process reads them then.
* Customers' programs seal to the newest key in the intake's public file, and may know nothing of `active_from`: a new
  intake key is written there when it is active, not before.
"""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from certsmith.rotation import key_pairs
from shared.errors import SettingsError, TransientError
from shared.vault import in_place, ring_storage
from shared.vault import key_files as files
from shared.vault.key_files import KeyFile, KeyFiles, Writer
from shared.vault.rings import Ring, RingKey


class RotationUnderWayError(TransientError):
    """Another process is rotating rings in the same folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPair:
    """The two files of a ring that can be rotated, and how its keys are made."""

    name: str
    secret: KeyFile
    public: KeyFile
    writer: Writer | None = None
    """The owner of a signing ring; its public halves share a file with those of the other writer."""
    prefix: str
    new_secret: Callable[[], bytes]
    public_of: Callable[[bytes], bytes]
    is_shown_early: bool = True
    """Whether public halves are written before they are active."""

    @property
    def signs(self) -> bool:
        """Whether writers use the secret half: they sign. Otherwise they use the public half: they seal."""
        return self.writer is not None


VAULT: Final = RingPair(
    name="vault",
    secret=files.VAULT_SECRET,
    public=files.VAULT_PUBLIC,
    prefix="vault",
    new_secret=key_pairs.new_agreement_secret,
    public_of=key_pairs.agreement_public,
)
INTAKE: Final = replace(
    VAULT,
    name="intake",
    secret=files.INTAKE_SECRET,
    public=files.INTAKE_PUBLIC,
    prefix="intake",
    is_shown_early=False,
)
SIGNING: Final = {
    writer: RingPair(
        name=f"signing.{writer}",
        secret=files.SIGNING[writer],
        public=files.VERIFY,
        writer=writer,
        prefix=writer,
        new_secret=key_pairs.new_signing_secret,
        public_of=key_pairs.signing_public,
    )
    for writer in files.WRITERS
}


class RingFiles:
    """A ring, as read from its two files and written back to them."""

    def __init__(self, key_files: KeyFiles, pair: RingPair) -> None:
        """Read both files, after completing a write that was interrupted.

        Raises:
            SettingsError: a file is missing, cannot be written, or does not belong to the other.
        """
        self.pair: Final = pair
        self._files: Final = key_files
        for file in (pair.secret, pair.public):
            with _named(key_files, file):
                in_place.recover(key_files.path_of(file))
        self.secret = key_files.load(pair.secret)
        self._public = key_files.load(pair.public)
        if not pair.signs and (strange := {key.id for key in self._public.keys} - {key.id for key in self.secret.keys}):
            raise SettingsError(
                f"{key_files.path_of(pair.public)}: has {', '.join(sorted(strange))}, whose secret is not in "
                f"{key_files.path_of(pair.secret)}: the two files do not belong together"
            )

    @property
    def public(self) -> Ring:
        """The public halves of this ring."""
        return replace(self._public, keys=tuple(key for key in self._public.keys if key.writer == self.pair.writer))

    @property
    def newest(self) -> RingKey:
        """The key that is current, or is the next to become it."""
        return max(self._unretired, key=lambda key: key.begins_at)

    @property
    def older(self) -> tuple[RingKey, ...]:
        """The keys before the newest that are not retired; there are some while a rotation is in progress."""
        return tuple(key for key in self._unretired if key.id != self.newest.id)

    @property
    def retired(self) -> tuple[RingKey, ...]:
        """The keys with a `retired_at`: from that instant on, no new work uses them."""
        return tuple(key for key in self.secret.keys if key.retired_at is not None)

    @property
    def orphans(self) -> tuple[RingKey, ...]:
        """Public halves without a secret, left by an interrupted rotation of a signing ring."""
        ids = {key.id for key in self.secret.keys}
        return tuple(key for key in self.public.keys if key.id not in ids)

    def repair(self, *, now: datetime, active_from: datetime) -> bool:
        """Write the newest key's public half if an interruption left it unwritten; say whether it did.

        The key becomes active at *active_from*, unless it is the only one. A missing public half of an older key is not
        written: that key was about to be retired, and must not come back.
        """
        newest = self.newest
        if not self.pair.is_shown_early or self.public.find(newest.id):
            return False
        stamped = replace(newest, active_from=active_from) if self.older else newest
        self._save(tuple(stamped if key is newest else key for key in self.secret.keys), readers_first=True, now=now)
        return True

    def begin(self, *, now: datetime, active_from: datetime) -> RingKey:
        """Add a new key that becomes active at *active_from*, and return it."""
        pair = self.pair
        # The clock that made the newest key may be ahead.
        active_from = max(active_from, self.newest.begins_at + timedelta.resolution)
        key = key_pairs.key_of(pair.new_secret(), prefix=pair.prefix, public_of=pair.public_of, made_at=now)
        new = replace(key, active_from=active_from)
        self._save((*self.secret.keys, new), readers_first=True, now=now)
        return new

    def retire(self, key_ids: Collection[str], *, at: datetime) -> None:
        """Use these keys for no new work from *at* on; they still open what is sealed to them."""
        keys = (replace(key, retired_at=at) if key.id in key_ids else key for key in self.secret.keys)
        self._save(tuple(keys), readers_first=False, now=at)

    def forget(self, key_ids: Collection[str], *, now: datetime) -> None:
        """Delete both halves of these keys: what is sealed to them cannot be opened, what they signed is refused."""
        keys = tuple(key for key in self.secret.keys if key.id not in key_ids)
        self._save(keys, readers_first=False, now=now, without=key_ids)

    @property
    def _unretired(self) -> tuple[RingKey, ...]:
        keys = tuple(key for key in self.secret.keys if key.retired_at is None)
        if not keys:
            path = self._files.path_of(self.pair.secret)
            raise SettingsError(f"{path}: every key is retired; at least one must not be")
        return keys

    def _save(
        self,
        keys: tuple[RingKey, ...],
        *,
        readers_first: bool,
        now: datetime,
        without: Collection[str] = (),
    ) -> None:
        """Write *keys*, and the public halves that are needed *now* or later."""
        pair = self.pair
        self._public = self._files.load(pair.public)  # the other writer's keys may have changed
        secret = replace(self.secret, keys=keys)
        shown = tuple(
            key_pairs.public_half(key, public_of=pair.public_of, writer=pair.writer)
            for key in keys
            if pair.signs or (not key.is_retired_at(now) and (pair.is_shown_early or key.is_active_at(now)))
        )
        ids = {key.id for key in keys}
        others = tuple(
            key
            for key in self._public.keys
            if key.writer != pair.writer or (pair.signs and key.id not in ids and key.id not in without)
        )
        public = replace(self._public, keys=(*others, *shown))
        writers_ring = secret if pair.signs else replace(public, keys=shown)
        writers_ring.current_at(now)  # raises, before anything is written, if no key would be current
        writes = [(pair.secret, secret), (pair.public, public)]
        if readers_first == pair.signs:  # readers of signatures have the public halves
            writes.reverse()
        for file, ring in writes:
            with _named(self._files, file):
                in_place.overwrite(self._files.path_of(file), ring_storage.dump(ring, half=file.half))
        self.secret, self._public = secret, public


@contextmanager
def exclusively(key_files: KeyFiles, pair: RingPair) -> Iterator[None]:
    """Hold the lock for rotating rings in the folder of *pair* while the block runs.

    Raises:
        RotationUnderWayError: another process holds it.
        SettingsError: there is no such folder.
    """
    folder = key_files.path_of(pair.secret).resolve().parent
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SettingsError(f"{folder}: the folder of the key rings cannot be read: {error.strerror}") from None
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _named(key_files: KeyFiles, file: KeyFile) -> Iterator[None]:
    """Turn an `OSError` of the block into a `SettingsError` that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise SettingsError(f"{key_files.path_of(file)}: there is no such key ring on this machine") from None
    except OSError as error:
        raise SettingsError(f"{key_files.path_of(file)}: the key ring cannot be written: {error.strerror}") from None


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RotationUnderWayError(
            f"{folder}: another rotation is in progress; wait for its end, or stop it"
        ) from None
    except OSError:
        return  # this file system has no locks
