"""How long to wait before the next try; pure: the clock and the dice are arguments.

After a failed try the order waits 1 minute, 10 minutes, 100 minutes, then a day (Let's Encrypt's integration guide,
"Retrying failures"), with jitter, so that orders that failed together are not retried together. The wait is never
shorter than the CA's Retry-After (RFC 8555 section 6.6). A DNS query uses none of the CA's limits, so it is repeated
after 5 seconds, growing to an hour.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

Dice = Callable[[], float]
"""Returns a number from 0 to 1, as `random.random` does."""

DEFAULT_LADDER_SECONDS: Final = (60.0, 600.0, 6000.0, 86400.0)
PARKED_AFTER: Final = timedelta(days=30)
_JITTER: Final = 0.5  # a wait is between one half and the whole of its rung
_RETRY_AFTER_JITTER: Final = 0.1
_FIRST_CHECK_SECONDS: Final = 5.0
_LAST_CHECK_SECONDS: Final = 3600.0
_CHECK_GROWTH: Final = 1.6


def after_failure(
    attempt: int, *, ladder: Sequence[float] = DEFAULT_LADDER_SECONDS, retry_after: float | None = None, dice: Dice
) -> timedelta:
    """Return how long to wait after the failed try number *attempt* (from 1), never less than *retry_after*."""
    rung = ladder[min(attempt, len(ladder)) - 1]
    own = rung * (1 - _JITTER * dice())
    asked = retry_after * (1 + _RETRY_AFTER_JITTER * dice()) if retry_after is not None else 0.0
    return timedelta(seconds=max(own, asked))


def after_check(checks: int, *, first: float = _FIRST_CHECK_SECONDS, dice: Dice) -> timedelta:
    """Return how long to wait after check number *checks* (from 1) that found the order still not ready."""
    # The exponent is bounded, so that a domain that waits for years does not overflow a float.
    rung = min(_LAST_CHECK_SECONDS, first * _CHECK_GROWTH ** min(checks - 1, 50))
    return timedelta(seconds=rung * (1 - _JITTER * dice()))
