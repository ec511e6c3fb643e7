"""Keeps services running until it is told to stop, then stops them in good order.

A service that ends although nobody told it to is started again, after a delay that grows with each crash and begins
anew once it ran for a minute. One whose settings are wrong (exit code 78) would only fail again: then all are stopped.
A stop is SIGTERM to each; a second request passes another SIGTERM on, at which a service stops without grace; and what
has not ended after the last deadline is killed.
"""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

from certsmith.exits import ExitCode
from certsmith.supervising.service import Child, Service
from shared.process.backoff import Backoff, wait_at_most

STEADY_SECONDS: Final = 60.0  # whoever ran so long has not crashed at its start
FIRST_RESTART_SECONDS: Final = 0.5
LAST_RESTART_SECONDS: Final = 30.0
_IN_GOOD_ORDER: Final = (0, -signal.SIGTERM)  # the latter: told to stop before it could listen to signals
_ENFORCED_SECONDS: Final = 5.0  # from the second SIGTERM to SIGKILL


class ServiceObserver(Protocol):
    """What the supervisor tells, and whom each line of a service goes to."""

    def wrote(self, service: str, line: str) -> None:
        """*service* wrote *line*."""

    def started(self, service: str, pid: int) -> None:
        """*service* runs."""

    def ended(self, service: str, code: int, *, retries_in: float | None) -> None:
        """*service* ended with *code* (negative: by that signal), and starts again so many seconds later, or never."""


class Supervisor:
    """The services, from `run` until it returns."""

    def __init__(self, services: Sequence[Service], reports: ServiceObserver, *, grace_seconds: float) -> None:
        self._services: Final = services
        self._reports: Final = reports
        self._grace_seconds: Final = grace_seconds
        self._enforce: Final = asyncio.Event()
        self._exit_code = ExitCode.DONE

    def enforce(self) -> None:
        """Have services that are stopping do so without grace."""
        self._enforce.set()

    async def run(self, stop: asyncio.Event) -> ExitCode:
        """Keep all services running until *stop* is set; return how it went once all have ended.

        `SETTINGS` when one said that its settings are wrong, `FAILED` when one did not stop in good order.
        """
        async with asyncio.TaskGroup() as keeping:
            for service in self._services:
                keeping.create_task(self._keep(service, stop))
        return self._exit_code

    async def _keep(self, service: Service, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(first=FIRST_RESTART_SECONDS, ceiling=LAST_RESTART_SECONDS)
        while not stop.is_set():
            began = loop.time()
            code = await self._run_once(service, stop)
            if stop.is_set():
                self._reports.ended(service.name, code, retries_in=None)
                if code not in _IN_GOOD_ORDER and self._exit_code is ExitCode.DONE:
                    self._exit_code = ExitCode.FAILED
                return
            if code == ExitCode.SETTINGS:
                self._reports.ended(service.name, code, retries_in=None)
                self._exit_code = ExitCode.SETTINGS
                stop.set()
                return
            if loop.time() - began > STEADY_SECONDS:
                backoff.reset()
            delay = backoff.delay()
            self._reports.ended(service.name, code, retries_in=delay)
            await wait_at_most(stop, delay)

    async def _run_once(self, service: Service, stop: asyncio.Event) -> int:
        """Run *service* until it ends, by itself or because *stop* was set; return its exit code."""
        child = await Child.start(service, lambda line: self._reports.wrote(service.name, line))
        ending = asyncio.create_task(child.wait())
        try:
            self._reports.started(service.name, child.pid)
            await _first_of(ending, stop.wait())
            if not ending.done():
                child.send(signal.SIGTERM)
                await _first_of(ending, wait_at_most(self._enforce, self._grace_seconds))
            if not ending.done():
                child.send(signal.SIGTERM)
                await asyncio.wait({ending}, timeout=_ENFORCED_SECONDS)
        finally:
            child.send(signal.SIGKILL)  # nothing, where it has ended
            code = await ending
        return code


async def _first_of(ending: "asyncio.Task[int]", other: Coroutine[Any, Any, object]) -> None:
    """Return when either has ended; *other* is cancelled if it was not first."""
    waiting = asyncio.create_task(other)
    try:
        await asyncio.wait({ending, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
