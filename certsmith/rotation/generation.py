"""Makes all key rings, and checks them: for `certsmith keys generate` and `certsmith keys status`."""

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from certsmith.rotation.key_pairs import (
    agreement_public,
    key_of,
    new_agreement_secret,
    new_signing_secret,
    public_half,
    signing_public,
)
from shared.errors import SettingsError
from shared.vault import key_files as files
from shared.vault import ring_storage
from shared.vault.key_files import KeyFile, KeyFiles
from shared.vault.rings import KEY_BYTES, Ring, RingKey, utc_now

_SECRET_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o700
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class RingStatus:
    """One key ring file: its path, its keys, and what is wrong with it, if anything."""

    file: KeyFile
    path: Path
    ring: Ring | None
    problem: str | None


def generate(folder: Path) -> tuple[Path, ...]:
    """Make all key rings in *folder*, all or none, and return their files; only the owner can read secret ones.

    Raises:
        SettingsError: one of the files exists already, or the folder cannot be written.
    """
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        fresh = folder / f".new-{secrets.token_hex(8)}"
        fresh.mkdir(mode=_FOLDER_MODE)
        try:
            made = _new_rings(utc_now().replace(microsecond=0))
            for file, ring in made.items():
                _write(fresh / file.name, ring_storage.dump(ring, half=file.half), secret=file.half == "secret")
            return _publish(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise SettingsError(f"{folder}: the key rings cannot be made there: {error.strerror}") from None


def status(key_files: KeyFiles) -> tuple[RingStatus, ...]:
    """Return the status of every key ring file. A process needs only its own, so a missing one may be intended."""
    found: dict[KeyFile, Ring] = {}
    problems: dict[KeyFile, str] = {}
    for file in files.ALL:
        try:
            found[file] = key_files.load(file)
        except SettingsError as error:
            problems[file] = str(error)
            continue
        if file.half == "secret" and _is_open_to_others(key_files.path_of(file)):
            problems[file] = "other users of this machine can read this secret: run chmod 600"
    problems |= {file: text for file, text in _mismatches(found, now=utc_now()).items() if file not in problems}
    return tuple(
        RingStatus(file=file, path=key_files.path_of(file), ring=found.get(file), problem=problems.get(file))
        for file in files.ALL
    )


def _new_rings(now: datetime) -> dict[KeyFile, Ring]:
    vault = key_of(new_agreement_secret(), prefix="vault", public_of=agreement_public, made_at=now)
    intake = key_of(new_agreement_secret(), prefix="intake", public_of=agreement_public, made_at=now)
    signing = {
        writer: key_of(new_signing_secret(), prefix=writer, public_of=signing_public, made_at=now)
        for writer in files.WRITERS
    }
    account = RingKey(
        id=f"provisioner-secret-{secrets.token_hex(8)}", material=secrets.token_bytes(KEY_BYTES), created_at=now
    )
    keys = {
        files.VAULT_PUBLIC: (public_half(vault, public_of=agreement_public),),
        files.VAULT_SECRET: (vault,),
        files.VERIFY: tuple(
            public_half(key, public_of=signing_public, writer=writer) for writer, key in signing.items()
        ),
        files.INTAKE_PUBLIC: (public_half(intake, public_of=agreement_public),),
        files.INTAKE_SECRET: (intake,),
        **{files.SIGNING[writer]: (key,) for writer, key in signing.items()},
        files.PROVISIONER_SECRET: (account,),
    }
    return {file: Ring(name=file.ring, keys=keys[file]) for file in files.ALL}


def _mismatches(found: Mapping[KeyFile, Ring], *, now: datetime) -> dict[KeyFile, str]:
    """Return, for each file of public halves, the secret key whose public half is missing or different."""
    pairs = (
        (files.VAULT_SECRET, files.VAULT_PUBLIC, agreement_public),
        (files.INTAKE_SECRET, files.INTAKE_PUBLIC, agreement_public),
        *((files.SIGNING[writer], files.VERIFY, signing_public) for writer in files.WRITERS),
    )
    problems = {}
    for secret_file, public_file, public_of in pairs:
        if secret_file in found and public_file in found:
            halves = {key.id: key.material for key in found[public_file].keys}
            for key in found[secret_file].keys:
                in_use = key.is_active_at(now) and not key.is_retired_at(now)
                if in_use and halves.get(key.id) != public_of(key.material):
                    problems[public_file] = (
                        f"has no matching public half for {key.id} of {secret_file.name}; "
                        "if a rotation was interrupted, run it again"
                    )
    return problems


def _is_open_to_others(path: Path) -> bool:
    """Say whether other users can read the file: its mode and that of its folder both allow it."""
    return bool(path.stat().st_mode & _OTHERS and path.resolve().parent.stat().st_mode & _OTHERS)


def _publish(fresh: Path, folder: Path) -> tuple[Path, ...]:
    """Move all files of *fresh* into *folder*; if one exists there already, undo the moves and replace nothing."""
    moved: list[Path] = []
    for file in files.ALL:
        try:
            os.link(fresh / file.name, folder / file.name)  # unlike a rename, never replaces a file
        except OSError as error:
            for path in moved:
                path.unlink()
            if isinstance(error, FileExistsError):
                raise SettingsError(
                    f"{folder / file.name} exists already, so nothing was made: "
                    "new keys could not open what was sealed to the existing ones"
                ) from None
            raise
        moved.append(folder / file.name)
    return tuple(moved)


def _write(path: Path, content: bytes, *, secret: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_MODE if secret else _PUBLIC_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
