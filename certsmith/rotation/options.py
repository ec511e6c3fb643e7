"""What is asked of a rotation, and what it reports."""

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
_MOST_SETTLING_SECONDS: Final = 60.0  # no statement of a service takes so long

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""Gives a connection with the keeper's rights."""
Notify = Callable[[str], None]
"""Tells people how it goes, in a sentence."""


class RotationBlockedError(PermanentError):
    """A rotation cannot go on until somebody has done something; nothing is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationOptions:
    """How a rotation is to be done.

    *begins*: begin a new one, if none is under way; *forgets_now*: delete what is retired without waiting for its time.
    """

    connect: Connect
    notify: Notify
    now: Callable[[], datetime] = utc_now
    activate_seconds: float = ACTIVATE_SECONDS
    begins: bool = True
    forgets_now: bool = False

    @property
    def settle_seconds(self) -> float:
        """How long after the new key became active what was sealed or signed just before may take to be stored."""
        return min(max(self.activate_seconds, _LEAST_SETTLING_SECONDS), _MOST_SETTLING_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedKey:
    """A stored key that was left as it is, sealed to or signed with *ring_key_id* by what it says, and why."""

    key_id: str
    ring_key_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredKey:
    """A retired key that is kept: what needs it, and until when it is kept if nothing does."""

    id: str
    retired_at: datetime
    until: datetime
    needed_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationReport:
    """How a ring stands after a run, and what the run did."""

    ring: str
    current: str
    begun: bool
    """Whether *current* was made by this run."""
    renewed: int
    """Wraps sealed, or signatures made anew."""
    left: tuple[SkippedKey, ...] = ()
    retired: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    waiting: tuple[RetiredKey, ...] = ()
