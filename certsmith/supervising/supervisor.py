"""Keeps services running until a stop is requested, then stops them gracefully.

Rules:

* A service that exits by itself is restarted, after a delay that grows with each crash and is reset once the service
  has run for a minute.
* A service whose settings are wrong (exit code 78) would only fail again: all services are stopped.
* A stop sends SIGTERM to each service. A second request sends SIGTERM again, at which a service stops without grace. A
  service that still runs after the last deadline is killed.
"""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

from certsmith.exits import ExitCode
from certsmith.supervising.service import Child, Service
from shared.process.backoff import Backoff, wait_at_most

STEADY_SECONDS: Final = 60.0  # a service that ran this long did not crash at its start
FIRST_RESTART_SECONDS: Final = 0.5
LAST_RESTART_SECONDS: Final = 30.0
_GRACEFUL: Final = (0, -signal.SIGTERM)  # SIGTERM: it was stopped before it had installed its signal handlers
_ENFORCED_SECONDS: Final = 5.0  # from the second SIGTERM to SIGKILL


class ServiceObserver(Protocol):
    """Receives the output of services and the supervisor's events."""

    def wrote(self, service: str, line: str) -> None:
        """*service* wrote *line*."""

    def started(self, service: str, pid: int) -> None:
        """*service* has started."""

    def ended(self, service: str, code: int, *, retries_in: float | None) -> None:
        """*service* exited with *code* (negative: a signal), and restarts in *retries_in* seconds (None: never)."""


class Supervisor:
    """Runs the services from the call of `run` until it returns."""

    def __init__(self, services: Sequence[Service], observer: ServiceObserver, *, grace_seconds: float) -> None:
        self._services: Final = services
        self._observer: Final = observer
        self._grace_seconds: Final = grace_seconds
        self._enforce: Final = asyncio.Event()
        self._exit_code = ExitCode.DONE

    def enforce(self) -> None:
        """Stop the services that are stopping at once, without grace."""
        self._enforce.set()

    async def run(self, stop: asyncio.Event) -> ExitCode:
        """Keep all services running until *stop* is set; return the exit code once all have exited.

        It is `SETTINGS` if a service reported wrong settings, `FAILED` if one did not stop gracefully.
        """
        async with asyncio.TaskGroup() as tasks:
            for service in self._services:
                tasks.create_task(self._keep(service, stop))
        return self._exit_code

    async def _keep(self, service: Service, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(first=FIRST_RESTART_SECONDS, ceiling=LAST_RESTART_SECONDS)
        while not stop.is_set():
            began = loop.time()
            code = await self._run_once(service, stop)
            if stop.is_set():
                self._observer.ended(service.name, code, retries_in=None)
                if code not in _GRACEFUL and self._exit_code is ExitCode.DONE:
                    self._exit_code = ExitCode.FAILED
                return
            if code == ExitCode.SETTINGS:
                self._observer.ended(service.name, code, retries_in=None)
                self._exit_code = ExitCode.SETTINGS
                stop.set()
                return
            if loop.time() - began > STEADY_SECONDS:
                backoff.reset()
            delay = backoff.delay()
            self._observer.ended(service.name, code, retries_in=delay)
            await wait_at_most(stop, delay)

    async def _run_once(self, service: Service, stop: asyncio.Event) -> int:
        """Run *service* until it exits, by itself or because *stop* was set; return its exit code."""
        child = await Child.start(service, lambda line: self._observer.wrote(service.name, line))
        ending = asyncio.create_task(child.wait())
        try:
            self._observer.started(service.name, child.pid)
            await _first_of(ending, stop.wait())
            if not ending.done():
                child.send(signal.SIGTERM)
                await _first_of(ending, wait_at_most(self._enforce, self._grace_seconds))
            if not ending.done():
                child.send(signal.SIGTERM)
                await asyncio.wait({ending}, timeout=_ENFORCED_SECONDS)
        finally:
            child.send(signal.SIGKILL)  # does nothing if it has exited
            code = await ending
        return code


async def _first_of(ending: "asyncio.Task[int]", other: Coroutine[Any, Any, object]) -> None:
    """Return when either has finished; cancel *other* if it was not first."""
    waiting = asyncio.create_task(other)
    try:
        await asyncio.wait({ending, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
