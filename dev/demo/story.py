"""Runs the demo's events in order."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from dev.demo import upstream
from dev.demo.board import Board, Entry
from dev.demo.customer import OWN
from dev.demo.following import follow, take_away
from dev.demo.show import Show
from dev.demo.stay import describe, write_environment
from dev.demo.world import World, WorldError, open_world
from dev.program import Command, Program

ROOT: Final = Path(__file__).parents[2]

_COMMAND_SECONDS: Final = 60.0
_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


class DemoError(Exception):
    """The demo cannot continue; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders: the servers' *data*, removed at the end, and files *shown* to the user, which stay."""

    data: Path
    shown: Path


@dataclass(slots=True, kw_only=True)
class Ending:
    """The end of the demo: whether it has *begun*, and whether the demo only waits for it and needs no interruption."""

    begun: asyncio.Event
    is_awaited: bool = False


async def run_demo(show: Show, places: Places, ending: Ending, *, keep: bool) -> int:
    """Run the whole demo; return its exit code."""
    stack = AsyncExitStack()
    show.say("Certsmith, from an event to a served certificate, on this machine alone", "")
    try:
        return await _run_demo(show, places, ending if keep else None, stack)
    except WorldError as error:
        raise DemoError(str(error)) from error
    finally:
        ending.begun.set()
        with show.step("ending everything", "ended everything that was started"):
            await stack.aclose()


async def _run_demo(show: Show, places: Places, awaited: Ending | None, stack: AsyncExitStack) -> int:
    """Run the demo, and keep it running until the end that is *awaited*; *stack* closes all that it opens."""
    with show.step(_starting(), "started " + _starting().removeprefix("starting ")):
        world = await stack.enter_async_context(open_world(places.data, places.shown, os.environ))
        url = await stack.enter_async_context(upstream.serving())
    with show.step("certsmith keys generate, certsmith migrate"):
        async with asyncio.TaskGroup() as preparing:
            preparing.create_task(_certsmith(world, places.data, "keys", "generate"))
            preparing.create_task(_certsmith(world, places.data, "migrate"))
    with show.step("certsmith up", f"certsmith up: all services are ready (log: {places.shown / 'demo.log'})"):
        await stack.enter_async_context(_services(world, places.shown / "demo.log"))
        if not world.owns_store:
            stack.push_async_callback(take_away, world)
    entries = [Entry(shown=shown, name=name) for shown, name in world.names.items()]
    board = Board(entries=entries, on_change=show.changed, on_note=show.noted)
    show.say("")
    with show.watching(board):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(world, board, url))
            if world.customer is not None:
                board.note(f"{OWN}: its owner already has a certificate; certsmith publish certificate-uploaded")
                tasks.create_task(_certsmith(world, places.data, *world.customer.upload))
    show.visits(board.entries)
    if awaited is not None:
        environment = stack.enter_context(write_environment(world, places.shown))
        show.say(describe(world, environment, url))
        awaited.is_awaited = True
        await awaited.begun.wait()
        show.say("")
    return 0 if board.all_served else 1


def _starting() -> str:
    """Return the line that names the servers to start."""
    private = {"AMQP_URL": "RabbitMQ", "DATABASE_URL": "PostgreSQL", "AUTOCERT_CA": "Pebble (an ACME test CA)"}
    names = [name for variable, name in private.items() if not os.environ.get(variable)]
    return f"starting {', '.join(names)}: private, on loopback" if names else "starting no server: all are given"


async def _certsmith(world: World, folder: Path, *words: str) -> None:
    """Run a command of the command line.

    Raises:
        DemoError: it failed.
    """
    log = folder / f"{'-'.join(words[:2])}.log"
    program = await Program.start(_command(world, log, *words))
    try:
        if await program.wait(_COMMAND_SECONDS):
            raise DemoError(f"certsmith {' '.join(words[:2])} failed:\n{program.tail()}")
    finally:
        await program.end()


@asynccontextmanager
async def _services(world: World, log: Path) -> AsyncIterator[None]:
    """Run all services during the block; they are ready when it begins, and stop cleanly at its end."""
    log.unlink(missing_ok=True)
    program = await Program.start(_command(world, log, "up"))
    try:
        await _until_ready(world, program)
        yield
    finally:
        await program.end()


def _command(world: World, log: Path, *words: str) -> Command:
    argv = [sys.executable, "-m", "certsmith", *words]
    return Command(argv=argv, log=log, env=world.environment, cwd=ROOT, farewell=signal.SIGTERM)


async def _until_ready(world: World, program: Program) -> None:
    try:
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as client:
            for url in world.ready_urls:
                while not await _answers(client, url):
                    program.check_alive()
                    await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise DemoError(f"the services were not ready in {_READY_SECONDS:.0f} s\n{program.tail()}") from None


async def _answers(client: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with client.get(url) as response:
            return response.ok
    except aiohttp.ClientError:
        return False
