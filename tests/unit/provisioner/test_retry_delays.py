"""The wait before the next try."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.provisioner.rules.retry_delays import after_check, after_failure

SHARE = st.floats(min_value=0, max_value=1)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 60), (2, 600), (3, 6000), (4, 86400), (5, 86400), (999, 86400)])
@given(dice=SHARE)
def test_a_failed_try_waits_by_the_ladder(attempt: int, longest: int, dice: float) -> None:
    wait = after_failure(attempt, dice=lambda: dice)

    assert timedelta(seconds=longest / 2) <= wait <= timedelta(seconds=longest)


@given(attempt=st.integers(1, 100), asked=st.floats(0, 1e6), dice=SHARE)
def test_a_wait_is_never_shorter_than_the_retry_after_of_the_ca(attempt: int, asked: float, dice: float) -> None:
    assert after_failure(attempt, retry_after=asked, dice=lambda: dice) >= timedelta(seconds=asked)


@given(checks=st.integers(1, 10**9), dice=SHARE)
def test_dns_checks_are_seconds_to_an_hour_apart(checks: int, dice: float) -> None:
    wait = after_check(checks, dice=lambda: dice)

    assert timedelta(seconds=2.5) <= wait <= timedelta(hours=1)


def test_dns_checks_get_rarer() -> None:
    waits = [after_check(checks, dice=lambda: 0.0) for checks in range(1, 40)]

    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=5)
    assert waits[-1] == timedelta(hours=1)
