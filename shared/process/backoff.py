"""Waiting: the growing delay between tries, and waits that end early."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

FIRST_SECONDS: Final = 0.1
CEILING_SECONDS: Final = 5.0


class Backoff:
    """The delays between tries of one thing: each twice the one before, up to *ceiling* seconds, with jitter."""

    def __init__(self, *, first: float = FIRST_SECONDS, ceiling: float = CEILING_SECONDS) -> None:
        self._first = first
        self._ceiling = ceiling
        self._next = first

    def reset(self) -> None:
        """Start again with the shortest delay, after a success."""
        self._next = self._first

    def delay(self) -> float:
        """Return the next delay in seconds: random, from half the current step to the whole of it."""
        whole, self._next = self._next, min(self._next * 2, self._ceiling)
        return whole * random.uniform(0.5, 1)  # noqa: S311 - spreads load, hides nothing

    async def pause(self, stop: asyncio.Event) -> None:
        """Wait for the next delay, or until *stop* is set."""
        await wait_at_most(stop, self.delay())


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Wait until *event* is set, for at most *seconds*; return whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    return event.is_set()


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first of *waits* returns; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
