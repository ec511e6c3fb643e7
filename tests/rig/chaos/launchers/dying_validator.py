"""A validator that kills itself at one point of its work: `python -m tests.rig.chaos.launchers.dying_validator`.

`CRASH_POINT` says where, `CRASH_NUMBER` at which of the times that it gets there, `CRASH_SECONDS` how long after; with
no point it is an ordinary validator. Nothing in the product knows of it: the ways to the outside that its composition
root takes as an argument have something around them.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final, cast

import uvloop

from services.validator.app import OUTSIDE, Outside, serve
from services.validator.settings import ValidatorSettings
from shared import logs
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.message import Message
from shared.messaging.outbox.dispatch import Sender
from shared.process import lifecycle
from shared.settings import LogSettings, load
from shared.store import Connection, Pool
from shared.vault import KeyFiles

_DEADLY_JUDGE: Final = (sys.executable, "-m", "tests.rig.chaos.launchers.deadly_judge")


class CrashPoint(StrEnum):
    """Where a validator dies."""

    RECEIVED = "received"
    """The upload is committed; its message is not acknowledged."""
    ASSIGNED = "assigned"
    """The upload is claimed and opened; a judge has it."""
    ANSWERED = "answered"
    """The judge has given its opinion; the verdict may or may not be committed."""
    BEFORE_PUBLISH = "before_publish"
    """The verdict is committed; it is about to be published."""
    AFTER_PUBLISH = "after_publish"
    """The broker has confirmed the fact; its row is not deleted."""


class Fate:
    """Counts how often the point was reached; ends the process when it is enough."""

    def __init__(self, number: int, seconds: float) -> None:
        self._left = number
        self._seconds: Final = seconds

    async def strike(self) -> None:
        """Die, if it is time to."""
        self._left -= 1
        if self._left == 0:
            await asyncio.sleep(self._seconds)
            os.kill(os.getpid(), signal.SIGKILL)


class _DyingSender:
    """A sender that dies before or after something was sent."""

    def __init__(self, inner: Sender, point: CrashPoint, fate: Fate) -> None:
        self._inner: Final = inner
        self._point: Final = point
        self._fate: Final = fate

    async def send(self, message: Message, *, seconds: float) -> None:
        if self._point is CrashPoint.BEFORE_PUBLISH:
            await self._fate.strike()
        await self._inner.send(message, seconds=seconds)
        if self._point is CrashPoint.AFTER_PUBLISH:
            await self._fate.strike()


class _DyingPool(Pool):
    """A pool that dies after a transaction was committed."""

    def __init__(self, inner: Pool, fate: Fate) -> None:
        super().__init__(inner._pool)
        self._fate = fate

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection:
            yield connection
        await self._fate.strike()


def outside_until(point: CrashPoint, fate: Fate) -> Outside:
    """Return the ways to the outside that lead to *point* and no further."""

    @asynccontextmanager
    async def sender(url: str) -> AsyncIterator[Sender]:
        async with OUTSIDE.sender(url) as inner:
            yield _DyingSender(inner, point, fate)

    def consumer(url: str, pool: Pool, *more: Any) -> Consumer:
        return OUTSIDE.consumer(url, _DyingPool(pool, fate), *more)

    match point:
        case CrashPoint.RECEIVED:
            return replace(OUTSIDE, consumer=consumer)
        case CrashPoint.ASSIGNED | CrashPoint.ANSWERED:
            how = (point, os.environ["CRASH_NUMBER"], os.environ["CRASH_SECONDS"])
            return replace(OUTSIDE, judge=(*_DEADLY_JUDGE, *how))
        case CrashPoint.BEFORE_PUBLISH | CrashPoint.AFTER_PUBLISH:
            return replace(OUTSIDE, sender=cast("Callable[[str], AbstractAsyncContextManager[Sender]]", sender))


def main() -> int:
    """Serve until the point is reached."""
    logs.configure(load(LogSettings), service="validator")
    settings, keys = load(ValidatorSettings), load(KeyFiles)
    outside = OUTSIDE
    if point := os.environ["CRASH_POINT"]:
        fate = Fate(int(os.environ["CRASH_NUMBER"]), float(os.environ["CRASH_SECONDS"]))
        outside = outside_until(CrashPoint(point), fate)

    async def serving(stop: asyncio.Event) -> None:
        await serve(settings, keys, stop, outside=outside)

    return lifecycle.run(serving, grace_seconds=settings.grace_seconds, loop_factory=uvloop.new_event_loop)


if __name__ == "__main__":
    raise SystemExit(main())
