"""Running a service: from its settings to its exit, the same for all services.

`run_program` reads the settings, closes the process to inspection and runs it. `run_service` serves: the health pages
come first; then the database, for which a service waits; then the parts that `compose` makes. At a stop the parts end
in order: work and consumer first, then the relay, which still sends the events that they published.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import uvloop

from shared import logs
from shared.errors import SettingsError, StoreUnavailableError
from shared.process import confinement, lifecycle
from shared.process.health import health_server
from shared.process.lifecycle import Serve, leaving
from shared.settings import LogSettings, ServiceSettings, load

# Shares of the grace period; the rest is for the cancellation of what is left, and for closing connections.
_WORKING: Final = 0.5
_RELAYING: Final = 0.1


class Part(Protocol):
    """A part of a service that runs until the event is set, then finishes its work in progress."""

    async def run(self, stop: asyncio.Event, /) -> None:
        """Run until *stop* is set."""


class Watched(Protocol):
    """A part that knows whether it can work."""

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work, for people; None when nothing does."""


class Consumer(Part, Watched, Protocol):
    """The part that consumes events."""


class Database(Protocol):
    """A pool of connections to the database."""

    async def check(self) -> None:
        """Return if the database answers.

        Raises:
            StoreUnavailableError: it does not.
        """


D = TypeVar("D", bound=Database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a service, joined by its composition root.

    *work* is what else runs until the stop. *watched* are the parts without which the service is not ready, by the
    names that `/ready` shows.
    """

    relay: Part
    consumer: Consumer
    work: tuple[Serve, ...]
    watched: Mapping[str, Watched] = field(default_factory=dict)


def run_program(service: str, prepare: Callable[[], tuple[ServiceSettings, Serve]]) -> int:
    """Run *service* until a signal stops it, and return the exit code.

    *prepare* loads the settings, and returns them with what serves by them.
    """
    try:
        logs.configure(load(LogSettings), service=service)
        settings, serve = prepare()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return lifecycle.EX_CONFIG
    confinement.protect_memory()
    return lifecycle.run(serve, grace_seconds=settings.grace_seconds, loop_factory=uvloop.new_event_loop)


async def run_service(
    settings: ServiceSettings,
    stop: asyncio.Event,
    *,
    database: AbstractAsyncContextManager[D],
    compose: Callable[[AsyncExitStack, D], Awaitable[Parts]],
) -> None:
    """Serve until *stop* is set; then finish the work in progress.

    *compose* makes the parts; what they need closed goes on the stack that it is given.
    """
    readiness = _Readiness()
    async with (
        health_server(settings.metrics_host, settings.metrics_port, readiness.missing, stop=stop),
        AsyncExitStack() as stack,
    ):
        async with leaving(stop, seconds=0):
            pool = await stack.enter_async_context(database)
        if stop.is_set():  # before the database answered
            return
        parts = await compose(stack, pool)
        readiness.database, readiness.parts = pool, parts
        await _run_parts(parts, stop, grace_seconds=settings.grace_seconds)


async def _run_parts(parts: Parts, stop: asyncio.Event, *, grace_seconds: float) -> None:
    all_published = asyncio.Event()
    async with leaving(all_published, seconds=_RELAYING * grace_seconds), asyncio.TaskGroup() as relaying:
        relaying.create_task(_run(parts.relay.run, all_published))
        async with leaving(stop, seconds=_WORKING * grace_seconds), asyncio.TaskGroup() as working:
            for work in (*parts.work, parts.consumer.run):
                working.create_task(_run(work, stop))
        all_published.set()


async def _run(serve: Serve, stop: asyncio.Event) -> None:
    await serve(stop)


@dataclass(slots=True)
class _Readiness:
    database: Database | None = None
    parts: Parts | None = None

    async def missing(self) -> dict[str, str]:
        """Return what keeps the service from its work, as `health.Missing` wants it."""
        if self.database is None or self.parts is None:
            return {"database": "waiting for PostgreSQL and its schema"}
        found = {}
        try:
            await self.database.check()
        except StoreUnavailableError as error:
            found["database"] = str(error)
        for name, part in {"broker": self.parts.consumer, **self.parts.watched}.items():
            if part.trouble:
                found[name] = part.trouble
        return found
