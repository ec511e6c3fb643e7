"""A validator that kills itself at one point of its work: `python -m tests.rig.chaos.launchers.dying_validator`.

`CRASH_POINT` says where, `CRASH_NUMBER` at which of the times that it gets there, `CRASH_SECONDS` how long after; with
no point it is an ordinary validator. One validator at a time publishes for all, so the points of publishing are not
assigned to a process: `CRASH_TOKENS` is a folder with a file for each such kill, called `<number>-<point>`, and the
validator that reaches the point renames the file to `taken-<pid>-<point>` and kills itself.

The product knows nothing about this: the composition root takes its ways to the outside as an argument, and here they
are wrapped.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from services.validator.app import OUTSIDE, Outside, serve
from services.validator.settings import ValidatorSettings
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.message import Message
from shared.messaging.outbox.dispatch import Sender
from shared.process.lifecycle import Serve
from shared.process.running import run_program
from shared.settings import ServiceSettings, load
from shared.store import Connection, Pool
from shared.vault import KeyFiles

_DEADLY_SANDBOX: Final = (sys.executable, "-m", "tests.rig.chaos.launchers.deadly_sandbox")


class CrashPoint(StrEnum):
    """Where a validator dies."""

    RECEIVED = "received"
    """The upload is committed; its message is not acknowledged."""
    ASSIGNED = "assigned"
    """The upload is claimed and opened; a sandbox process has it."""
    ANSWERED = "answered"
    """The sandbox process has answered; the verdict may or may not be committed."""
    BEFORE_PUBLISH = "before_publish"
    """The verdict is committed; it is about to be published."""
    AFTER_PUBLISH = "after_publish"
    """The broker has confirmed the fact; its row is not deleted."""


class Fate:
    """Counts passages of the point; kills the process at the right one."""

    def __init__(self, number: int, seconds: float) -> None:
        self._left = number
        self._seconds: Final = seconds

    async def strike(self) -> None:
        """Count one passage; kill the process if it is the right one."""
        self._left -= 1
        if self._left == 0:
            await asyncio.sleep(self._seconds)
            os.kill(os.getpid(), signal.SIGKILL)


class Tokens:
    """Files that each order one kill while an event is published; the first validator that takes one is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def add(self, point: CrashPoint, number: int) -> None:
        """Leave a token for a kill at *point*."""
        (self._folder / f"{number}-{point}").touch()

    def take(self, point: CrashPoint, pid: int) -> bool:
        """Take a token for *point* for the process *pid*; return False when there is none."""
        for token in self._folder.glob(f"[0-9]*-{point}"):
            try:
                token.rename(self._folder / f"taken-{pid}-{point}")
            except FileNotFoundError:  # another validator was quicker
                continue
            return True
        return False

    def taken_by(self, pid: int) -> CrashPoint | None:
        """Return the point at which process *pid* killed itself, and forget it."""
        for token in self._folder.glob(f"taken-{pid}-*"):
            token.unlink()
            return CrashPoint(token.name.rpartition("-")[2])
        return None


class _DyingSender:
    """A sender that dies before or after something was sent, if there is a token for it."""

    def __init__(self, inner: Sender, tokens: Tokens) -> None:
        self._inner: Final = inner
        self._tokens: Final = tokens
        self._left = int(os.environ["CRASH_NUMBER"])

    async def send(self, message: Message, *, seconds: float) -> None:
        self._left -= 1
        await self._strike(CrashPoint.BEFORE_PUBLISH)
        await self._inner.send(message, seconds=seconds)
        await self._strike(CrashPoint.AFTER_PUBLISH)

    async def _strike(self, point: CrashPoint) -> None:
        if self._left <= 0 and self._tokens.take(point, os.getpid()):
            await Fate(1, float(os.environ["CRASH_SECONDS"])).strike()


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
    """Return an `Outside` with which the process gets to *point* and no further."""

    def consumer(url: str, pool: Pool, *more: Any) -> Consumer:
        return OUTSIDE.consumer(url, _DyingPool(pool, fate), *more)

    match point:
        case CrashPoint.RECEIVED:
            return replace(OUTSIDE, consumer=consumer)
        case CrashPoint.ASSIGNED | CrashPoint.ANSWERED:
            how = (point, os.environ["CRASH_NUMBER"], os.environ["CRASH_SECONDS"])
            return replace(OUTSIDE, sandbox=(*_DEADLY_SANDBOX, *how))
        case CrashPoint.BEFORE_PUBLISH | CrashPoint.AFTER_PUBLISH:
            raise ValueError(f"{point} has tokens")


def with_tokens(outside: Outside, tokens: Tokens) -> Outside:
    """Return *outside* with a sender at whose points the *tokens* are taken."""

    @asynccontextmanager
    async def sender(url: str) -> AsyncIterator[Sender]:
        async with OUTSIDE.sender(url) as inner:
            yield _DyingSender(inner, tokens)

    return replace(outside, sender=cast("Callable[[str], AbstractAsyncContextManager[Sender]]", sender))


def main() -> int:
    """Serve until the point is reached."""
    return run_program("validator", _prepare)


def _prepare() -> tuple[ServiceSettings, Serve]:
    settings, keys = load(ValidatorSettings), load(KeyFiles)
    outside = OUTSIDE
    if point := os.environ["CRASH_POINT"]:
        fate = Fate(int(os.environ["CRASH_NUMBER"]), float(os.environ["CRASH_SECONDS"]))
        outside = outside_until(CrashPoint(point), fate)
    outside = with_tokens(outside, Tokens(Path(os.environ["CRASH_TOKENS"])))
    return settings, partial(serve, settings, keys, outside=outside)


if __name__ == "__main__":
    raise SystemExit(main())
