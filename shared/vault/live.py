"""Key rings that are read again while a process runs, so that a rotation needs no restart.

The file is checked when its ring is used, at most once a second. If the file cannot be read (half a file, for example),
the process continues with the ring that it has, logs that once, and counts each failed check.
"""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import Counter

from shared.errors import SettingsError
from shared.vault import ring_storage
from shared.vault.rings import Half, Ring, utc_now

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
UNREADABLE: Final = Counter(
    "vault_rings_unreadable_total",
    "Looks at a key ring's file that found no usable ring",
    ["ring"],
)

_Stamp = tuple[int, int, int, int]


class LiveRing:
    """A ring that follows the changes of its file.

    *tick* is the clock in seconds for the pause between checks; *now* is the clock that decides which keys are active.
    """

    def __init__(
        self,
        path: Path,
        *,
        ring: str,
        half: Half,
        tick: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Read the file at *path*.

        Raises:
            SettingsError: the file is missing, or does not contain *half* of each key of *ring*.
        """
        self._path = path
        self._name = ring
        self._half = half
        self._tick = tick
        self._now = now
        self._stamp = _stamp_of(path)
        self._ring = ring_storage.load(path, ring=ring, half=half)
        self._look_at = tick() + LOOK_SECONDS
        self._trouble: str | None = None

    def read(self) -> Ring:
        """Return the ring, as it was at most a second ago."""
        if self._tick() >= self._look_at:
            self.refresh()
        return self._ring

    def refresh(self) -> bool:
        """Check the file now; say whether the ring has changed."""
        self._look_at = self._tick() + LOOK_SECONDS
        stamp = _stamp_of(self._path)  # before reading, so that the next check notices a write in between
        if stamp is not None and stamp == self._stamp:
            return False
        try:
            ring = ring_storage.load(self._path, ring=self._name, half=self._half)
            ring.current_at(self._now())
        except SettingsError as error:
            self._keep(str(error))
            return False
        before, self._ring, self._stamp, self._trouble = self._ring, ring, stamp, None
        if ring == before:
            return False
        log.info("key_ring_read", ring=self._name, half=self._half, key_ids=[key.id for key in ring.keys])
        return True

    def _keep(self, trouble: str) -> None:
        UNREADABLE.labels(self._name).inc()
        if trouble != self._trouble:
            log.warning("key_ring_not_read", ring=self._name, half=self._half, reason=trouble)
        self._trouble = trouble


def _stamp_of(path: Path) -> _Stamp | None:
    """Return a value that changes when the file's content does; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
