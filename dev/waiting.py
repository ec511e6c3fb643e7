"""Waits for a condition, with a deadline and a description for the failure message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

DEADLINE_SECONDS: Final = 60.0  # generous: the machine may be busy with other work
_PAUSE_SECONDS: Final = 0.05


async def until(
    look: Callable[[], Awaitable[T]], what: str | Callable[[], str], *, seconds: float = DEADLINE_SECONDS
) -> T:
    """Call *look* until its result is true and return it; after *seconds*, fail with the description *what*."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := await look()):
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise AssertionError(f"waited {seconds} s for {what if isinstance(what, str) else what()}") from None
    return found
