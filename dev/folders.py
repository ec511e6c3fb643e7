"""Folders for servers' data: no other run uses them, and old ones do not pile up.

They are in one folder below the system's temporary folder, not below the checkout: PostgreSQL refuses to run as root,
and the user that it then runs as usually cannot enter root's home.

A run holds a lock on its folder for as long as it lives. A new run removes all folders without a lock, which killed
runs left behind.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# The owner writes; others may pass through but not list: PostgreSQL's user must reach its own folder in it.
PASSABLE: Final = 0o711


def home() -> Path:
    """Return the folder that contains the folders of all runs on this machine."""
    path = Path(tempfile.gettempdir()) / f"certsmith-{os.getuid()}"
    path.mkdir(mode=PASSABLE, exist_ok=True)
    if path.lstat().st_uid != os.getuid() or path.is_symlink():
        raise PermissionError(f"{path} belongs to another user; set TMPDIR to your own folder")
    path.chmod(PASSABLE)  # the umask may have removed bits
    return path


@contextlib.contextmanager
def run_folder(purpose: str) -> Iterator[Path]:
    """Yield a new folder that is removed at the end, or by a later run if this process is killed."""
    with locked(home()):
        _sweep()
        path = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=home()))
        path.chmod(PASSABLE)
        lock = os.open(path, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _sweep() -> None:
    """Remove the folders whose runs are dead."""
    for path in home().iterdir():
        with contextlib.suppress(BlockingIOError, FileNotFoundError), locked(path, fcntl.LOCK_NB):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, flags: int = 0) -> Iterator[None]:
    """Hold the lock on the folder *path*; with LOCK_NB raise BlockingIOError when another process holds it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(descriptor)
