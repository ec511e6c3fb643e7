"""A bounded number of sandbox processes, and how slow uploads are kept from delaying the others.

Nearly every upload is judged in a few milliseconds. One that takes longer than `QUICK_SECONDS` is slow: it continues at
a low priority, and another upload may start meanwhile. Only a limited number may be slow at a time. A slow upload
beyond that number is given up, and judged later, when there is room.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from services.validator.metrics import JUDGE_SECONDS, JUDGES, JUDGES_ENDED
from services.validator.sandbox import messages
from services.validator.sandbox.process import (
    COMMAND,
    SandboxEndedError,
    SandboxNotStartedError,
    SandboxProcess,
)
from shared.errors import TransientError
from shared.process.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

QUICK_SECONDS: Final = 0.025  # of processor time; an ordinary upload takes 2 ms, RSA 4096 20 ms
_ABANDON_SECONDS: Final = 0.5  # for giving up an upload; after that the process is killed and replaced
_IDLE_SECONDS: Final = (
    1.0  # a process that used less than `QUICK_SECONDS` in this time waits for something: none should
)
_LOOK_EVERY_SECONDS: Final = 0.01
_PATIENCE: Final = 24  # a busy machine gives little to a low priority: wait this multiple of the processor time


class TooManySlowError(TransientError):
    """The upload is slow, and too many others are; there will be room later."""


class SandboxPool:
    """Sandbox processes for *count* quick uploads at once, and for *count* + 1 slow ones at the same time.

    Each upload may use *seconds* of processor time. A process that died or failed is replaced.
    """

    def __init__(self, tasks: asyncio.TaskGroup, *, count: int, seconds: float, command: Sequence[str]) -> None:
        self._tasks = tasks
        self._count = count
        self._seconds = seconds
        self._command = command
        self._quick = asyncio.Semaphore(count)
        self._idle: asyncio.LifoQueue[SandboxProcess] = asyncio.LifoQueue()  # the last one used has the warmest caches
        self._living: set[SandboxProcess] = set()
        self._starting = 0
        self._is_ending = False
        self._slow = 0
        self.trouble: str | None = "the sandbox processes have not started yet"
        self._replenish()

    @property
    def room_for_slow(self) -> int:
        """How many more uploads may be slow."""
        return self._count + 1 - self._slow

    async def judge(self, assignment: messages.Assignment, *, on_slow: Callable[[float], None]) -> messages.Answer:
        """Have *assignment* judged and return the answer.

        Once it turns out to be slow, *on_slow* is called with the seconds that it may still take.

        Raises:
            TookTooLongError: it used all the processor time that an upload may use.
            SandboxEndedError: the process ended for another reason, or did not answer.
            TooManySlowError: it is slow, and too many are.
        """
        with ExitStack() as place:
            await self._quick.acquire()
            place.callback(self._quick.release)
            async with self._turn(assignment) as turn:
                if await turn.is_quick():
                    return await turn.answer()
                if self.room_for_slow <= (self._count + 1) // 2:  # the rest is for `judge_slow`
                    return await self._abandon(turn)
                place.close()
                return await self._judge_slowly(turn, on_slow)

    async def judge_slow(self, assignment: messages.Assignment, *, on_slow: Callable[[float], None]) -> messages.Answer:
        """Do what `judge` does, for an upload that is known to be slow.

        Raises:
            TookTooLongError, SandboxEndedError, TooManySlowError: as `judge` does.
        """
        if self.room_for_slow <= 0:
            raise TooManySlowError(f"{self._slow} uploads are slow already")
        async with self._turn(assignment) as turn:
            return await self._judge_slowly(turn, on_slow)

    def end(self) -> None:
        """Kill every process, whatever it does, and start no other."""
        self._is_ending = True
        for process in self._living:
            process.kill()
            self._tasks.create_task(process.end())

    @asynccontextmanager
    async def _turn(self, assignment: messages.Assignment) -> AsyncIterator["_Turn"]:
        """Give *assignment* to an idle process; replace the process unless it has answered by the end of the block."""
        while (process := await self._idle.get()).has_ended:
            self._replace(process)
        turn = _Turn(process, process.processor_seconds(), asyncio.ensure_future(process.ask(assignment)))
        try:
            with JUDGE_SECONDS.time():
                yield turn
        finally:
            if turn.leaves_process_sound and not process.has_ended:
                self._idle.put_nowait(process)
            else:
                self._replace(process)
                turn.asking.cancel()
                await asyncio.gather(turn.asking, return_exceptions=True)

    async def _abandon(self, turn: "_Turn") -> messages.Answer:
        """Have the process give up its upload; return its answer if it comes at this very moment.

        Raises:
            TooManySlowError: it has given the upload up, or is killed because it has not.
        """
        turn.process.abandon()
        if await turn.ends_in(_ABANDON_SECONDS):
            return await turn.answer()
        raise TooManySlowError(f"it could not be given up in {_ABANDON_SECONDS:g} s")

    async def _judge_slowly(self, turn: "_Turn", on_slow: Callable[[float], None]) -> messages.Answer:
        longest = _PATIENCE * self._seconds
        self._slow += 1
        turn.process.lower_priority()
        try:
            on_slow(longest)
            async with asyncio.timeout(longest):
                return await turn.answer()
        except TimeoutError:
            raise SandboxEndedError(f"the sandbox process has not answered in {longest:g} s") from None
        finally:
            self._slow -= 1

    def _replenish(self) -> None:
        """Start the missing processes, also those for slow uploads: starting one on demand would delay everything."""
        missing = 2 * self._count + 1 - len(self._living) - self._starting
        for _ in range(0 if self._is_ending else missing):
            self._starting += 1
            self._tasks.create_task(self._start_one())

    async def _start_one(self) -> None:
        """Add an idle process, trying again until it starts or the pool ends."""
        backoff = Backoff()
        process = await self._started()
        while process is None and not self._is_ending:
            await asyncio.sleep(backoff.delay())
            process = await self._started()
        self._starting -= 1
        if process is None:
            return
        if self._is_ending:
            await process.end()
            return
        self.trouble = None
        self._living.add(process)
        JUDGES.inc()
        self._idle.put_nowait(process)

    async def _started(self) -> SandboxProcess | None:
        try:
            return await SandboxProcess.start(seconds=self._seconds, command=self._command)
        except SandboxNotStartedError as error:
            self.trouble = str(error)
            log.warning("sandbox_not_started", reason=str(error))
            return None

    def _replace(self, process: SandboxProcess) -> None:
        """Kill *process*, which has ended already or is not worth waiting for, and start another."""
        process.kill()
        self._tasks.create_task(process.end())
        self._living.remove(process)
        JUDGES.dec()
        JUDGES_ENDED.inc()
        log.warning("sandbox_replaced", sandbox_pid=process.pid)
        self._replenish()


@dataclass(frozen=True, slots=True)
class _Turn:
    """A sandbox process with an assignment."""

    process: SandboxProcess
    used_before: float  # seconds of processor time
    asking: "asyncio.Future[messages.Answer | messages.Abandoned]"

    @property
    def leaves_process_sound(self) -> bool:
        """Whether the process has answered, and has not failed, which it might do again.

        A wait that was cancelled says nothing about the process.
        """
        if not self.asking.done() or self.asking.cancelled() or self.asking.exception() is not None:
            return False
        return not isinstance(self.asking.result(), messages.Failed)

    async def answer(self) -> messages.Answer:
        """Return what the process answers.

        Raises:
            TooManySlowError: the process was asked to give the assignment up, and did.
        """
        answer = await self.asking
        if isinstance(answer, messages.Abandoned):
            raise TooManySlowError("it was given up, since others are slow already")
        return answer

    async def is_quick(self) -> bool:
        """Return True as soon as the process has answered or ended, False as soon as the upload is slow."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _IDLE_SECONDS
        while self.used_seconds() < QUICK_SECONDS and loop.time() < until:
            if await self.ends_in(_LOOK_EVERY_SECONDS):
                return True
        return False

    async def ends_in(self, seconds: float) -> bool:
        """Return True as soon as the process has answered or ended, False when that takes longer than *seconds*."""
        done, _ = await asyncio.wait({self.asking}, timeout=seconds)
        return bool(done)

    def used_seconds(self) -> float:
        """Return how many seconds of processor time this assignment has used so far."""
        return self.process.processor_seconds() - self.used_before


@asynccontextmanager
async def open_sandbox_pool(
    *, count: int, seconds: float, command: Sequence[str] = COMMAND
) -> AsyncIterator[SandboxPool]:
    """Yield a pool for *count* quick uploads, each with *seconds* of processor time; kill its processes at the end."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        pool = SandboxPool(tasks, count=count, seconds=seconds, command=command)
        try:
            yield pool
        except Exception as error:  # noqa: BLE001 - raised again below: the group would wrap it in an ExceptionGroup
            failure = error
        finally:
            pool.end()
    if failure is not None:
        raise failure
