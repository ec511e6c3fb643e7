"""How many uploads each loop of the validator claims."""

from datetime import timedelta
from typing import Any, cast

import pytest

from services.validator.worker import QuickUploads, SlowUploads

NOTHING = cast("Any", None)
LEASE = timedelta(seconds=10)


class _Sandbox:
    """A pool with room for this many more slow uploads."""

    def __init__(self, room_for_slow: int) -> None:
        self.room_for_slow = room_for_slow


def quick(*, max_in_hand: int, slow: int) -> QuickUploads:
    work = QuickUploads(
        pool=NOTHING, claims=NOTHING, verdicts=NOTHING, lease=LEASE, wake_slow=NOTHING, max_in_hand=max_in_hand
    )
    work._slow = slow
    return work


def slow(*, room_for_slow: int, slow: int) -> SlowUploads:
    sandbox = cast("Any", _Sandbox(room_for_slow))
    work = SlowUploads(pool=NOTHING, claims=NOTHING, verdicts=NOTHING, lease=LEASE, wake_slow=NOTHING, sandbox=sandbox)
    work._slow = slow
    return work


@pytest.mark.parametrize(("in_hand", "room"), [(0, 8), (4, 4), (5, 0), (8, 0)])
def test_quick_uploads_are_claimed_once_half_the_places_are_free(in_hand: int, room: int) -> None:
    assert quick(max_in_hand=8, slow=0).room(in_hand) == room


def test_an_upload_that_turned_out_to_be_slow_takes_no_place_of_a_quick_one() -> None:
    assert quick(max_in_hand=8, slow=3).room(3) == 8


def test_slow_uploads_are_claimed_as_far_as_the_pool_has_room() -> None:
    assert slow(room_for_slow=2, slow=0).room(0) == 2
    assert slow(room_for_slow=-1, slow=0).room(0) == 0


def test_a_slow_upload_that_the_pool_does_not_count_yet_takes_a_place() -> None:
    assert slow(room_for_slow=2, slow=0).room(1) == 1
    assert slow(room_for_slow=1, slow=1).room(1) == 1
