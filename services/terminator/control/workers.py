"""The workers: one for each slot, started, replaced when it exits, and drained at the end."""

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
from services.terminator.control.channel import Channel, OnMetrics, OnQuestion
from services.terminator.control.sockets import Slot
from services.terminator.listening import accept_new
from services.terminator.metrics import WORKERS, WORKERS_ENDED
from shared.process.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_SETTLED_SECONDS: Final = 5.0  # a worker that lived this long is restarted without delay
_EXIT_SECONDS: Final = 0.5  # for a worker that is exiting by itself, to get its exit code
# The variables that a worker inherits; none of them can hold a secret.
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a worker may be silent, and how far it may exceed its own time limits, before it is killed."""

    silent_seconds: float = 15.0  # workers report every second
    more_seconds: float = 5.0


class Workers:
    """Keeps one worker running in each of *slots*, configured by *begin*."""

    def __init__(
        self,
        slots: tuple[Slot, ...],
        begin: messages.Begin,
        *,
        on_question: OnQuestion,
        on_metrics: OnMetrics,
        patience: Patience,
    ) -> None:
        self._patience = patience
        self._slots = slots
        self._begin = begin
        self._on_question = on_question
        self._on_metrics = on_metrics
        self._channels: set[Channel] = set()

    @property
    def gauges(self) -> list[tuple[int, ...]]:
        """The gauges of each worker (`counters.WorkerGauge`)."""
        return [channel.gauges for channel in self._channels]

    @property
    def missing(self) -> int:
        """The number of slots without a worker that accepts connections."""
        return len(self._slots) - sum(channel.is_ready for channel in self._channels)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the workers running until *stop* is set, then drain them; return when all have exited."""
        async with asyncio.TaskGroup() as tasks:
            for number, slot in enumerate(self._slots):
                tasks.create_task(self._keep(number, slot, stop))
            await stop.wait()
            for channel in self._channels:
                channel.send(messages.Drain(self._begin.grace_seconds))
            for slot in self._slots:  # the workers hold copies; when they close theirs, the sockets are gone
                slot.close()

    async def drop(self, domain: str) -> None:
        """Drop *domain* in all workers; return when no handshake can show what they held for it at the call."""
        drops = {channel.drop(domain): channel for channel in self._channels if channel.may_show}
        if not drops:
            return
        _, late = await asyncio.wait(drops, timeout=self._begin.handshake_seconds + self._patience.more_seconds)
        for drop in late:
            drops[drop].disconnect(f"it did not drop {domain} in time")
        await asyncio.gather(*late)

    def drop_soon(self, domain: str) -> None:
        """Drop *domain* in all workers without waiting."""
        for channel in self._channels:
            channel.drop(domain)

    async def _keep(self, number: int, slot: Slot, stop: asyncio.Event) -> None:
        """Keep a worker running in *slot* until *stop* is set and it has exited."""
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while not stop.is_set():
            started_at = loop.time()
            try:
                code = await self._run_one(slot, stop)
            except OSError as error:  # no process, socket or memory available: the other workers continue
                code = None
                log.warning("worker_not_started", slot=number, reason=str(error))
            if stop.is_set():
                return
            WORKERS_ENDED.inc()
            lived_seconds = loop.time() - started_at
            log.error("worker_ended", slot=number, exit_code=code, lived_seconds=round(lived_seconds, 3))
            if lived_seconds >= _SETTLED_SECONDS:
                backoff.reset()
                continue
            await backoff.pause(stop)

    async def _run_one(self, slot: Slot, stop: asyncio.Event) -> int | None:
        """Run a worker in *slot* until it exits; return its exit code."""
        for listener in (slot.https, slot.http):
            accept_new(listener)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = await _start(theirs, slot)
            theirs.close()
            channel = Channel(on_question=self._on_question, on_metrics=self._on_metrics)
            self._channels.add(channel)
            try:
                await channel.open(ours)
                channel.send(self._begin)
                if stop.is_set():
                    channel.send(messages.Drain(self._begin.grace_seconds))
                await self._watch(process, channel, stop)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                code = await process.wait()
                self._channels.discard(channel)
                channel.end()
        return code

    async def _watch(self, process: asyncio.subprocess.Process, channel: Channel, stop: asyncio.Event) -> None:
        """Return when *process* has exited, or has stopped responding; the caller kills it then."""
        if await channel.ready:
            log.info("worker_ready", worker_pid=process.pid)
            with WORKERS.track_inprogress():
                await channel.wait_for_silence(self._patience.silent_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.more_seconds if stop.is_set() else _EXIT_SECONDS):
                await process.wait()


async def _start(control: socket.socket, slot: Slot) -> asyncio.subprocess.Process:
    """Start a worker with its end of the socket pair, the sockets of *slot*, and no other descriptor."""
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
