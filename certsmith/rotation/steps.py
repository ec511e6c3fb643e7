"""The steps of a rotation that all rings share: begin, wait, finish."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from certsmith.rotation.options import RotationOptions, RotationReport
from certsmith.rotation.ring_files import RingFiles

_NOTIFY_SECONDS: Final = 15.0


class RingRotation(Protocol):
    """The rotation of one ring to its next key."""

    ring: RingFiles

    async def finish(self, options: RotationOptions, *, begun: bool) -> RotationReport:
        """Renew stored keys, retire or delete older ring keys, and return the report; call it after `ready_at`."""

    def ready_at(self, options: RotationOptions) -> datetime:
        """Return when `finish` may be called."""


async def rotate(rotations: Sequence[RingRotation], options: RotationOptions) -> list[RotationReport]:
    """Give each ring a new key, or continue an interrupted rotation, and return the reports.

    Raises:
        RotationBlockedError: somebody must fix something first.
        StoreUnavailableError: the database does not answer; run the rotation again.
        SettingsError: a ring's file is missing, or cannot be written.
    """
    async with options.connect():  # if the database does not answer, nothing is begun
        pass
    begun = [_begin(each, options) for each in rotations]
    await _wait(max(each.ready_at(options) for each in rotations), options)
    return [await each.finish(options, begun=new) for each, new in zip(rotations, begun, strict=True)]


def _begin(rotation: RingRotation, options: RotationOptions) -> bool:
    """Write a new key unless a rotation is in progress; say whether one was written."""
    now, ring = options.now(), rotation.ring
    active_from = now + timedelta(seconds=options.activate_seconds)
    was_interrupted = ring.repair(now=now, active_from=active_from)
    if was_interrupted or ring.older or not ring.newest.is_active_at(now) or not options.begins:
        return False
    key = ring.begin(now=now, active_from=active_from)
    options.notify(f"{ring.pair.name}: {key.id} is the next key, and will be current from {_clock(key.begins_at)} on")
    return True


async def _wait(until: datetime, options: RotationOptions) -> None:
    """Sleep until *until*, and report the remaining time."""
    while (seconds := (until - options.now()).total_seconds()) > 0:
        options.notify(f"waiting another {seconds:.0f} s, until every process has the new key and uses it")
        await asyncio.sleep(min(seconds, _NOTIFY_SECONDS))


def _clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S} UTC"
