"""The life of a process: it serves until it is told to stop, finishes what is in hand, and leaves.

The first SIGTERM or SIGINT sets `stop` and starts the grace period; when that has passed, or at a second signal,
everything that still runs is cancelled. A service whose work can hang, since others hang, leaves before it is made to:
it puts `leaving` around that work. Exit codes: 0 after a stop, 1 after a failure or an enforced stop, 78 (EX_CONFIG of
sysexits.h) when the settings are wrong.
"""

import asyncio
import ctypes
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from shared.errors import SettingsError

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

EX_CONFIG: Final = 78
_PR_SET_DUMPABLE: Final = 4  # prctl(2)

Serve = Callable[[asyncio.Event], Awaitable[None]]


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
    """Run the block; what is left of it so many *seconds* after *stop* is cancelled, and life goes on behind it."""
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
        log.warning("left_in_the_midst", seconds=seconds)
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
            log.warning("grace_period_over", grace_seconds=grace_seconds)
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


def protect_memory() -> None:
    """Keep this process's memory from core dumps and from other processes of its user (prctl(2), setrlimit(2)).

    Python cannot wipe what it held; this keeps what it holds from being written to disk or read by a debugger.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
