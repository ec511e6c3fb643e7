"""From one key of a ring to the next: the steps that all rings have in common."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from certsmith.rotation.options import RotationOptions, RotationReport
from certsmith.rotation.ring_files import RingFiles

_NOTIFY_SECONDS: Final = 15.0


class RingRotation(Protocol):
    """One ring's way to its next key."""

    ring: RingFiles

    async def finish(self, options: RotationOptions, *, begun: bool) -> RotationReport:
        """Do all that can be done now, when the newest key is in use everywhere; return what was done."""

    def ready_at(self, options: RotationOptions) -> datetime:
        """Return when `finish` can be called."""


async def rotate(rotations: Sequence[RingRotation], options: RotationOptions) -> list[RotationReport]:
    """Give each ring a new key, or go on where an earlier run was cut off, and return what was done.

    Raises:
        RotationBlockedError: somebody must do something first.
        StoreUnavailableError: the database does not answer; run it again.
        SettingsError: a ring's file is missing, or cannot be written.
    """
    async with options.connect():  # nothing is begun that could not go on
        pass
    begun = [_begin(each, options) for each in rotations]
    await _wait(max(each.ready_at(options) for each in rotations), options)
    return [await each.finish(options, begun=new) for each, new in zip(rotations, begun, strict=True)]


def _begin(rotation: RingRotation, options: RotationOptions) -> bool:
    """Write a new key, unless there is one; say whether there was none."""
    now, ring = options.now(), rotation.ring
    active_from = now + timedelta(seconds=options.activate_seconds)
    was_cut_off = ring.repair(now=now, active_from=active_from)
    if was_cut_off or ring.older or not ring.newest.is_active_at(now) or not options.begins:
        return False
    key = ring.begin(now=now, active_from=active_from)
    options.notify(f"{ring.pair.name}: {key.id} is the next key, and current from {_clock(key.begins_at)} on")
    return True


async def _wait(until: datetime, options: RotationOptions) -> None:
    """Return at *until*."""
    while (seconds := (until - options.now()).total_seconds()) > 0:
        options.notify(f"waiting {seconds:.0f} s more, until every process has the new key and uses it")
        await asyncio.sleep(min(seconds, _NOTIFY_SECONDS))


def _clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S} UTC"
