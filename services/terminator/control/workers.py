"""The workers: one for each slot, started, told, replaced when they end, drained at last."""

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Final

import structlog

import services
from services.terminator import wire
from services.terminator.control.channel import Channel, OnCounted, OnQuestion
from services.terminator.control.measures import WORKERS, WORKERS_ENDED
from services.terminator.control.sockets import Slot

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_FIRST_DELAY_SECONDS: Final = 0.1
_MAX_DELAY_SECONDS: Final = 5.0
_SETTLED_SECONDS: Final = 5.0  # who lived as long is replaced at once
_MORE_SECONDS: Final = 5.0  # beyond a worker's own limits, before it is killed
# All that a worker inherits of the environment: nothing in it can be a secret.
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS")


class Workers:
    """Keeps one worker running in each of *slots*, as *begin* says."""

    def __init__(
        self, slots: tuple[Slot, ...], begin: wire.Begin, *, on_question: OnQuestion, on_counted: OnCounted
    ) -> None:
        self._slots = slots
        self._begin = begin
        self._on_question = on_question
        self._on_counted = on_counted
        self._channels: set[Channel] = set()

    @property
    def levels(self) -> list[tuple[int, ...]]:
        """What each worker has at the moment (`figures.Level`)."""
        return [channel.levels for channel in self._channels]

    @property
    def missing(self) -> int:
        """How many slots have no worker that accepts connections."""
        return len(self._slots) - sum(channel.is_ready for channel in self._channels)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep them running until *stop* is set, then drain them; return when all have ended."""
        async with asyncio.TaskGroup() as tasks:
            for number, slot in enumerate(self._slots):
                tasks.create_task(self._keep(number, slot, stop))
            await stop.wait()
            for channel in self._channels:
                channel.say(wire.Drain(self._begin.grace_seconds))
            for slot in self._slots:  # the workers have them still; when they close them, nobody has
                slot.close()

    async def drop(self, domain: str) -> None:
        """Return when no worker can show any more what it held for *domain* when this was called."""
        # Who has not said yet that it accepts connections has asked for nothing.
        drops = {channel.drop(domain): channel for channel in self._channels if channel.is_ready}
        if not drops:
            return
        _, late = await asyncio.wait(drops, timeout=self._begin.handshake_seconds + _MORE_SECONDS)
        for drop in late:
            drops[drop].break_off(f"it did not drop {domain}")
        await asyncio.gather(*late)

    def drop_soon(self, domain: str) -> None:
        """Have all workers drop what they hold for *domain*."""
        for channel in self._channels:
            channel.drop(domain)

    async def _keep(self, number: int, slot: Slot, stop: asyncio.Event) -> None:
        """Keep a worker running in *slot* until *stop* is set and it has ended."""
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY_SECONDS
        while not stop.is_set():
            started_at = loop.time()
            code = await self._run_one(slot)
            if stop.is_set():
                return
            WORKERS_ENDED.inc()
            log.error("worker_ended", slot=number, exit_code=code, lived_seconds=round(loop.time() - started_at, 3))
            if loop.time() - started_at >= _SETTLED_SECONDS:
                delay = _FIRST_DELAY_SECONDS
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await stop.wait()
            delay = min(2 * delay, _MAX_DELAY_SECONDS)

    async def _run_one(self, slot: Slot) -> int | None:
        """Run a worker in *slot* until it ends; return its exit code."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (theirs.fileno(), slot.https.fileno(), slot.http.fileno())
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "services.terminator.worker",
                *map(str, descriptors),
                pass_fds=descriptors,
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
            )
        channel = Channel(on_question=self._on_question, on_counted=self._on_counted)
        try:
            ours.setblocking(False)  # noqa: FBT003 - the standard library's
            await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours)
            channel.say(self._begin)
            self._channels.add(channel)
            await self._watch(process, channel)
        finally:
            self._channels.discard(channel)
            channel.break_off("its time is over")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        """Return when *process* has ended; one that has only lost its channel gets the time that its drain takes."""
        if await channel.ready:
            log.info("worker_ready", worker_pid=process.pid)
            WORKERS.inc()
            await channel.ended
            WORKERS.dec()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MORE_SECONDS):
                await process.wait()


def _environment() -> dict[str, str]:
    """Return the environment of a worker: where the code is, and what is no secret."""
    root = Path(services.__path__[0]).parent
    return {"PYTHONPATH": str(root), **{name: os.environ[name] for name in _INHERITED if name in os.environ}}
