"""Files that are replaced in place, because who reads them has the file itself, not its name.

A container has a mounted file by its inode: a rename over it is seen after the next start only. So the content is
written into the file, under a lock that readers share, and never without a complete copy beside it: what is cut off in
the middle, by a kill or by the loss of power, `recover` ends.

Locks are advisory, there are file systems without them, and nobody waits for one for long: who may read a file could
hold its lock for ever. So a reader must still expect half a file.
"""

import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_SPARE_MODE: Final = 0o600
_READER_SECONDS: Final = 0.1  # a file is written in a fraction of a millisecond
_WRITER_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.002


def read(path: Path) -> bytes:
    """Return the content of the file at *path*, as it was before or after any `overwrite`.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        _lock(file.fileno(), fcntl.LOCK_SH, seconds=_READER_SECONDS)
        return file.read()


def overwrite(path: Path, content: bytes) -> None:
    """Make *content* that of the file at *path*, whose owner, mode and inode stay; it is on disk at return.

    Raises:
        OSError: it cannot be written.
    """
    path = path.resolve(strict=True)
    spare = spare_of(path)
    draft = spare.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SPARE_MODE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(spare)  # complete, if it is there at all
    _sync_folder(path)
    _end_overwrite(path, spare)


def recover(path: Path) -> None:
    """End an `overwrite` of the file at *path* that was cut off, if there was one.

    Raises:
        OSError: it cannot be written.
    """
    path = path.resolve()
    spare = spare_of(path)
    if spare.exists():
        _end_overwrite(path, spare)


def spare_of(path: Path) -> Path:
    """Return where the complete copy is while the file at *path* is written."""
    path = path.resolve()
    return path.with_name(f".{path.name}.next")


def _end_overwrite(path: Path, spare: Path) -> None:
    content = spare.read_bytes()
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & stat.S_IWUSR:  # deploy/make-secrets lets nobody write them
        path.chmod(mode | stat.S_IWUSR)
    try:
        with path.open("r+b") as file:
            _lock(file.fileno(), fcntl.LOCK_EX, seconds=_WRITER_SECONDS)
            file.write(content)
            file.truncate()  # at the end of what was written
            file.flush()
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # readers need not wait for the disk
            os.fsync(file.fileno())
    finally:
        if not mode & stat.S_IWUSR:
            path.chmod(mode)
    spare.unlink()
    _sync_folder(path)


def _lock(descriptor: int, kind: int, *, seconds: float) -> None:
    """Take the lock, or go on without it after *seconds*, or where there are no locks."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return
            time.sleep(_PAUSE_SECONDS)
        except OSError:
            return
        else:
            return


def _sync_folder(path: Path) -> None:
    """Have the names in the folder of *path* on disk."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
