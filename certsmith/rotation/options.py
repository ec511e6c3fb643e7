"""The options of a rotation, and its report."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.errors import PermanentError
from shared.store import Connection
from shared.vault.live import LOOK_SECONDS
from shared.vault.rings import utc_now

ACTIVATE_SECONDS: Final = 60.0
_LEAST_SETTLING_SECONDS: Final = 2 * LOOK_SECONDS
_MOST_SETTLING_SECONDS: Final = 60.0  # longer than any statement of a service

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a connection with the keeper's rights."""
Notify = Callable[[str], None]
"""Shows people a sentence about the progress."""


class RotationBlockedError(PermanentError):
    """The rotation cannot continue until somebody fixes what the message names; nothing is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationOptions:
    """The options of a rotation.

    *begins*: begin a new one if none is in progress; *forgets_now*: delete retired keys without waiting for their time.
    """

    connect: Connect
    notify: Notify
    now: Callable[[], datetime] = utc_now
    activate_seconds: float = ACTIVATE_SECONDS
    begins: bool = True
    forgets_now: bool = False

    @property
    def settle_seconds(self) -> float:
        """How long to wait after the new key became active, until everything sealed or signed before that is stored."""
        return min(max(self.activate_seconds, _LEAST_SETTLING_SECONDS), _MOST_SETTLING_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedKey:
    """A stored key that could not be renewed, why, and the *ring_key_id* that it names."""

    key_id: str
    ring_key_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredKey:
    """A retired key that is kept: how much needs it, and until when it is kept if nothing does."""

    id: str
    retired_at: datetime
    until: datetime
    needed_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationReport:
    """The state of a ring after a run, and what the run did."""

    ring: str
    current: str
    begun: bool
    """Whether *current* was made by this run."""
    renewed: int
    """The number of renewed wraps or signatures."""
    left: tuple[SkippedKey, ...] = ()
    retired: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    waiting: tuple[RetiredKey, ...] = ()
