"""The life of a process: it runs until a signal asks it to stop, finishes its work in progress, and exits.

The first SIGTERM or SIGINT sets `stop` and starts the grace period. At the end of that period, or at a second signal,
everything that still runs is cancelled. A peer that hangs can make work hang; a service puts `leaving` around such
work, to end it before the grace period does.

Exit codes: 0 after a stop, 1 after a failure or an enforced stop, 78 (EX_CONFIG of sysexits.h) for wrong settings.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from shared.errors import SettingsError

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

EX_CONFIG: Final = 78

Serve = Callable[[asyncio.Event], Awaitable[None]]
"""Serves until the event is set, then finishes its work in progress and returns."""


def run(
    serve: Serve, *, grace_seconds: float, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> int:
    """Run *serve* until it returns, a signal ends it, or it fails; return the exit code."""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_run(serve, grace_seconds))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG


@asynccontextmanager
async def leaving(stop: asyncio.Event, *, seconds: float) -> AsyncIterator[None]:
    """Run the block; cancel it *seconds* after *stop* is set, then continue after it."""
    loop = asyncio.get_running_loop()

    async def watch(limit: asyncio.Timeout) -> None:
        await stop.wait()
        limit.reschedule(loop.time() + seconds)

    watching: asyncio.Task[None] | None = None
    limit = asyncio.timeout(None)
    try:
        async with limit:
            watching = loop.create_task(watch(limit))
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        log.warning("work_cancelled_after_stop", seconds=seconds)
    finally:
        if watching is not None:
            watching.cancel()


async def _run(serve: Serve, grace_seconds: float) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    serving = asyncio.ensure_future(serve(stop))

    def on_signal(number: int) -> None:
        if stop.is_set():
            log.warning("stop_enforced", signal=signal.Signals(number).name)
            serving.cancel()
            return
        log.info("stop_requested", signal=signal.Signals(number).name, grace_seconds=grace_seconds)
        stop.set()
        loop.call_later(grace_seconds, enforce)

    def enforce() -> None:
        if not serving.done():
            log.warning("grace_exceeded", grace_seconds=grace_seconds)
            serving.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        await serving
    except asyncio.CancelledError:
        return 1
    except SettingsError:
        raise
    except Exception:
        log.exception("process_failed")
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return 0
