"""The workers: one for each slot, started, told, replaced when they end, drained at last."""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

import services
from services.terminator import messages
from services.terminator.control.channel import Channel, OnCounted, OnQuestion
from services.terminator.control.sockets import Slot
from services.terminator.listening import take_new
from services.terminator.metrics import WORKERS, WORKERS_ENDED

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_FIRST_DELAY_SECONDS: Final = 0.1
_MAX_DELAY_SECONDS: Final = 5.0
_SETTLED_SECONDS: Final = 5.0  # who lived as long is replaced at once
_LAST_WORDS_SECONDS: Final = 0.5  # for the exit code of one that is ending anyhow
# All that a worker inherits of the environment: nothing in it can be a secret.
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a worker may be silent, and how long it may take beyond its own limits, before it is killed."""

    silent_seconds: float = 15.0  # workers report every second
    more_seconds: float = 5.0


class Workers:
    """Keeps one worker running in each of *slots*, as *begin* says."""

    def __init__(
        self,
        slots: tuple[Slot, ...],
        begin: messages.Begin,
        *,
        on_question: OnQuestion,
        on_counted: OnCounted,
        patience: Patience,
    ) -> None:
        self._patience = patience
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
                channel.say(messages.Drain(self._begin.grace_seconds))
            for slot in self._slots:  # the workers have them still; when they close them, nobody has
                slot.close()

    async def drop(self, domain: str) -> None:
        """Return when no worker can show any more what it held for *domain* when this was called."""
        drops = {channel.drop(domain): channel for channel in self._channels if channel.may_show}
        if not drops:
            return
        _, late = await asyncio.wait(drops, timeout=self._begin.handshake_seconds + self._patience.more_seconds)
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
            try:
                code = await self._run_one(slot, stop)
            except OSError as error:  # no process, no socket, no memory: the other workers go on
                code = None
                log.warning("worker_not_started", slot=number, reason=str(error))
            if stop.is_set():
                return
            WORKERS_ENDED.inc()
            lived_seconds = loop.time() - started_at
            log.error("worker_ended", slot=number, exit_code=code, lived_seconds=round(lived_seconds, 3))
            if lived_seconds >= _SETTLED_SECONDS:
                delay = _FIRST_DELAY_SECONDS
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await stop.wait()
            delay = min(2 * delay, _MAX_DELAY_SECONDS)

    async def _run_one(self, slot: Slot, stop: asyncio.Event) -> int | None:
        """Run a worker in *slot* until it ends; return its exit code."""
        for listener in (slot.https, slot.http):
            take_new(listener)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = await _start(theirs, slot)
            theirs.close()
            channel = Channel(on_question=self._on_question, on_counted=self._on_counted)
            self._channels.add(channel)
            try:
                await channel.open(ours)
                channel.say(self._begin)
                if stop.is_set():
                    channel.say(messages.Drain(self._begin.grace_seconds))
                await self._watch(process, channel, stop)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                code = await process.wait()
                self._channels.discard(channel)
                channel.end()
        return code

    async def _watch(self, process: asyncio.subprocess.Process, channel: Channel, stop: asyncio.Event) -> None:
        """Return when *process* has ended, or is no use any more: then it is killed, with what it still shows."""
        if await channel.ready:
            log.info("worker_ready", worker_pid=process.pid)
            with WORKERS.track_inprogress():
                await channel.silence(self._patience.silent_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.more_seconds if stop.is_set() else _LAST_WORDS_SECONDS):
                await process.wait()


async def _start(control: socket.socket, slot: Slot) -> asyncio.subprocess.Process:
    """Start a worker with its end of the channel and the sockets of *slot*, and nothing else of ours."""
    descriptors = (control.fileno(), slot.https.fileno(), slot.http.fileno())
    root = Path(services.__path__[0]).parent
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.terminator.worker",
        *map(str, descriptors),
        pass_fds=descriptors,
        env={"PYTHONPATH": str(root), **{name: os.environ[name] for name in _INHERITED if name in os.environ}},
        stdin=asyncio.subprocess.DEVNULL,
    )
