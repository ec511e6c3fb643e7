"""From one key of a ring to the next: the steps that all rings have in common."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from certsmith.rotation.options import Report, Terms
from certsmith.rotation.ring_files import RingFiles

_TELL_SECONDS: Final = 15.0


class Turn(Protocol):
    """One ring's way to its next key."""

    ring: RingFiles

    async def finish(self, terms: Terms, *, begun: bool) -> Report:
        """Do all that can be done now, when the newest key is in use everywhere; return what was done."""

    def ready_at(self, terms: Terms) -> datetime:
        """Return when `finish` can be called."""


async def turn(turns: Sequence[Turn], terms: Terms) -> list[Report]:
    """Give each ring a new key, or go on where an earlier run was cut off, and return what was done.

    Raises:
        KeeperError: somebody must do something first.
        StoreUnavailableError: the database does not answer; run it again.
        SettingsError: a ring's file is missing, or cannot be written.
    """
    async with terms.connect():  # nothing is begun that could not go on
        pass
    begun = [_begin(each, terms) for each in turns]
    await _wait(max(each.ready_at(terms) for each in turns), terms)
    return [await each.finish(terms, begun=new) for each, new in zip(turns, begun, strict=True)]


def _begin(turn: Turn, terms: Terms) -> bool:
    """Write a new key, unless there is one; say whether there was none."""
    now, ring = terms.now(), turn.ring
    active_from = now + timedelta(seconds=terms.activate_seconds)
    was_cut_off = ring.repair(now=now, active_from=active_from)
    if was_cut_off or ring.older or not ring.newest.is_active_at(now) or not terms.begins:
        return False
    key = ring.begin(now=now, active_from=active_from)
    terms.tell(f"{ring.pair.name}: {key.id} is the next key, and current from {_clock(key.begins_at)} on")
    return True


async def _wait(until: datetime, terms: Terms) -> None:
    """Return at *until*."""
    while (seconds := (until - terms.now()).total_seconds()) > 0:
        terms.tell(f"waiting {seconds:.0f} s more, until every process has the new key and uses it")
        await asyncio.sleep(min(seconds, _TELL_SECONDS))


def _clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S} UTC"
