"""Replace the content of files in place, because a container mount holds the inode, not the path.

A container sees a file that was renamed over a mounted one only after its next start. So the new content is written
into the existing file, under a lock that readers share, and only while a complete copy exists next to it: `recover`
finishes a write that a kill or a power failure interrupted.

Locks are advisory, some file systems have none, and nothing waits long for one, because any process that may read the
file could hold its lock forever. So a reader must still expect a half-written file.
"""

import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_SPARE_MODE: Final = 0o600
_READER_SECONDS: Final = 0.1  # writing a file takes a fraction of a millisecond
_WRITER_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.002


def read(path: Path) -> bytes:
    """Return the content of the file at *path*, from before or after any concurrent `overwrite`.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        _lock(file.fileno(), fcntl.LOCK_SH, seconds=_READER_SECONDS)
        return file.read()


def overwrite(path: Path, content: bytes) -> None:
    """Replace the content of the file at *path*, keeping its owner, mode and inode; on return, it is on disk.

    Raises:
        OSError: the file cannot be written.
    """
    path = path.resolve(strict=True)
    spare = spare_of(path)
    draft = spare.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SPARE_MODE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(spare)  # so *spare* is complete whenever it exists
    _sync_folder(path)
    _end_overwrite(path, spare)


def recover(path: Path) -> None:
    """Finish an interrupted `overwrite` of the file at *path*, if there was one.

    Raises:
        OSError: the file cannot be written.
    """
    path = path.resolve()
    spare = spare_of(path)
    if spare.exists():
        _end_overwrite(path, spare)


def spare_of(path: Path) -> Path:
    """Return the path of the complete copy that exists while the file at *path* is being written."""
    path = path.resolve()
    return path.with_name(f".{path.name}.next")


def _end_overwrite(path: Path, spare: Path) -> None:
    content = spare.read_bytes()
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & stat.S_IWUSR:  # deploy/make-secrets makes the files read-only
        path.chmod(mode | stat.S_IWUSR)
    try:
        with path.open("r+b") as file:
            _lock(file.fileno(), fcntl.LOCK_EX, seconds=_WRITER_SECONDS)
            file.write(content)
            file.truncate()  # to the length of the new content
            file.flush()
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # readers do not have to wait for fsync
            os.fsync(file.fileno())
    finally:
        if not mode & stat.S_IWUSR:
            path.chmod(mode)
    spare.unlink()
    _sync_folder(path)


def _lock(descriptor: int, kind: int, *, seconds: float) -> None:
    """Acquire the lock; continue without it after *seconds*, or if the file system has no locks."""
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
    """Write the directory entries of the folder of *path* to disk."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
