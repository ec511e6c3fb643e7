"""Waiting for things: a wait fails when nothing happens any longer, not when a fixed time has passed.

Rules:

* A wait has *patience*: so many seconds in which nothing observable happens. What can be observed is the text that
  says what is waited for, as it changes (what is served, what is left), and whatever else the caller has *seen*: a
  count of rows, of lines in a log, of bytes. Any change gives the whole patience back.
* Seconds are counted by our share of the machine. With six other busy processes on two cores a program gets a quarter
  of the time that it would get alone, so a second counts as a quarter of one. On a quiet machine a second is a second.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
What = str | Callable[[], str]

PATIENCE_SECONDS: Final = 60.0
_FIRST_PAUSE_SECONDS: Final = 0.01
_PAUSE_SECONDS: Final = 0.1  # between two looks, once the first few have found nothing
_LONGEST_STEP_SECONDS: Final = 1.0  # more between two looks means that we ourselves were kept from running
_LOAD: Final = Path("/proc/loadavg")


def share_of_machine() -> float:
    """Return which part of a core each runnable process gets at the moment, at most 1 (proc(5), /proc/loadavg)."""
    try:
        runnable = int(_LOAD.read_text().split()[3].partition("/")[0])
    except (OSError, IndexError, ValueError):
        return 1.0
    return min(1.0, len(os.sched_getaffinity(0)) / max(runnable, 1))


class Watch:
    """Counts seconds since it was made; on a busy machine they count less, by the share of a core that we get."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last = time.monotonic()

    def look(self) -> float:
        """Return the seconds until now; call it often, because it uses the share at the time of the call."""
        now = time.monotonic()
        self.seconds += min(now - self._last, _LONGEST_STEP_SECONDS) * share_of_machine()
        self._last = now
        return self.seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Watch"]:
        """Count for the length of the block."""

        async def count() -> None:
            while True:
                self.look()
                await asyncio.sleep(_PAUSE_SECONDS)

        counting = asyncio.create_task(count())
        try:
            yield self
        finally:
            counting.cancel()
            with suppress(asyncio.CancelledError):
                await counting
            self.look()


class Patience:
    """The remaining part of the *seconds* in which nothing may happen."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self.seconds: Final = seconds
        self._watch = Watch()
        self._seen: Final[set[int]] = set()

    def is_left(self, seen: object = None) -> bool:
        """Return whether to wait on; anything *seen* for the first time gives all the patience back."""
        key = hash(repr(seen))
        if key not in self._seen:
            self._seen.add(key)
            self._watch = Watch()
        return self._watch.look() < self.seconds


async def until(
    look: Callable[[], Awaitable[T]],
    what: What,
    *,
    patience: float = PATIENCE_SECONDS,
    seen: Callable[[], object] = lambda: None,
) -> T:
    """Return what *look* returns as soon as it is true; fail, naming *what* was waited for, once *patience* is over.

    *seen* returns a value that changes as long as something happens; so does *what*, if it is a function.
    """
    left, pause = Patience(patience), _FIRST_PAUSE_SECONDS
    async with _limited(what, left=left, seen=seen):
        while not (found := await look()):
            if not left.is_left((_text(what), seen())):
                raise _impatience(what, left)
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, _PAUSE_SECONDS)
    return found


async def finished(
    work: Awaitable[T],
    what: What,
    *,
    patience: float = PATIENCE_SECONDS,
    seen: Callable[[], object] = lambda: None,
) -> T:
    """Return the result of *work*; cancel it and fail, as `until` does, once *patience* is over."""
    async with within(what, patience=patience, seen=seen):
        return await work


@asynccontextmanager
async def within(
    what: What, *, patience: float = PATIENCE_SECONDS, seen: Callable[[], object] = lambda: None
) -> AsyncIterator[None]:
    """Run the block, which waits for *what*; cancel it and fail, as `until` does, once *patience* is over."""
    async with _limited(what, left=Patience(patience), seen=seen):
        yield


@asynccontextmanager
async def _limited(what: What, *, left: Patience, seen: Callable[[], object]) -> AsyncIterator[None]:
    limit = asyncio.timeout(None)

    async def watch() -> None:
        while left.is_left((_text(what), seen())):
            await asyncio.sleep(_PAUSE_SECONDS)
        limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with limit:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if limit.expired():
            raise _impatience(what, left) from None
        raise


def _impatience(what: What, left: Patience) -> AssertionError:
    return AssertionError(f"nothing happened for {left.seconds:g} s while waiting for {_text(what)}")


def _text(what: What) -> str:
    return what if isinstance(what, str) else what()
