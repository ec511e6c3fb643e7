"""Waiting between tries: growing, with jitter, and never longer than until somebody says stop."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

FIRST_SECONDS: Final = 0.1
CEILING_SECONDS: Final = 5.0


class Backoff:
    """The delays of one thing that is tried again and again."""

    def __init__(self, *, first: float = FIRST_SECONDS, ceiling: float = CEILING_SECONDS) -> None:
        self._first = first
        self._ceiling = ceiling
        self._next = first

    def reset(self) -> None:
        """Begin again with the shortest delay: it worked."""
        self._next = self._first

    def delay(self) -> float:
        """Return the next delay: random, between half of and the whole of a time that doubles up to the ceiling."""
        whole, self._next = self._next, min(self._next * 2, self._ceiling)
        return whole * random.uniform(0.5, 1)  # noqa: S311 - spreads load, hides nothing

    async def pause(self, stop: asyncio.Event) -> None:
        """Wait for the next delay, or until *stop* is set."""
        await wait_at_most(stop, self.delay())


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Wait until *event* is set, for *seconds* at most; return whether it is set."""
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
