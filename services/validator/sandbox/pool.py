"""The judges, a bounded number of them, and how an upload that is slow is kept from being in the way of the others.

Nearly every upload is judged in a few milliseconds. One that takes longer than `QUICK_SECONDS` is slow: it goes on at
a low priority, and another takes its seat. Only so many may be slow at a time. What is slow beyond that is
given up, and comes again when there is room.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from services.validator.metrics import JUDGE_SECONDS, JUDGES, JUDGES_ENDED
from services.validator.sandbox import messages
from services.validator.sandbox.process import COMMAND, Judge, JudgeEndedError, JudgeNotStartedError
from shared.errors import TransientError
from shared.process.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

QUICK_SECONDS: Final = 0.025  # of processor time; what is ordinary takes 2 ms, RSA 4096 20 ms
_ABANDON_SECONDS: Final = 0.5  # until it is given up; else its judge is ended, and another started
_QUIET_SECONDS: Final = 1.0  # one that has used less in so long waits for something, which none should
_LOOK_EVERY_SECONDS: Final = 0.01
_PATIENCE: Final = 24  # who has a low priority gets little of a busy machine: so many times its processor time


class TooManySlowError(TransientError):
    """It is slow, and so are too many others; there will be room later."""


class Judges:
    """*count* seats for quick judges, and beside them room for so many slow ones and one more."""

    def __init__(self, tasks: asyncio.TaskGroup, *, count: int, seconds: float, command: Sequence[str]) -> None:
        self._tasks = tasks
        self._count = count
        self._seconds = seconds
        self._command = command
        self._seats = asyncio.Semaphore(count)
        self._waiting: asyncio.LifoQueue[Judge] = asyncio.LifoQueue()  # who has been at work last is warm
        self._living: set[Judge] = set()
        self._starting = 0
        self._is_ending = False
        self._slow = 0
        self.trouble: str | None = "the judges have not started yet"
        self._replenish()

    @property
    def room_for_slow(self) -> int:
        """How many more may be slow."""
        return self._count + 1 - self._slow

    async def judge(self, assignment: messages.Assignment, *, on_slow: Callable[[float], None]) -> messages.Opinion:
        """Return a judge's opinion; *on_slow* is called once it takes long, with the seconds that it may take yet.

        Raises:
            TookTooLongError: it took all the processor time that an upload may take.
            JudgeEndedError: the judge ended for another reason, or did not answer.
            TooManySlowError: it is slow, and too many are.
        """
        with ExitStack() as seat:
            await self._seats.acquire()
            seat.callback(self._seats.release)
            async with self._turn(assignment) as turn:
                if await turn.is_quick():
                    return await turn.opinion()
                if self.room_for_slow <= (self._count + 1) // 2:  # the rest is for those who came back
                    return await self._abandoned(turn)
                seat.close()
                return await self._slowly(turn, on_slow)

    async def judge_slow(
        self, assignment: messages.Assignment, *, on_slow: Callable[[float], None]
    ) -> messages.Opinion:
        """Return what `judge` does, for an upload that is known to be slow.

        Raises:
            TookTooLongError, JudgeEndedError, TooManySlowError: as `judge` does.
        """
        if self.room_for_slow <= 0:
            raise TooManySlowError(f"{self._slow} uploads are slow already")
        async with self._turn(assignment) as turn:
            return await self._slowly(turn, on_slow)

    def end(self) -> None:
        """End every judge, whatever it does, and start no other."""
        self._is_ending = True
        for judge in self._living:
            judge.kill()
            self._tasks.create_task(judge.end())

    @asynccontextmanager
    async def _turn(self, assignment: messages.Assignment) -> AsyncIterator["_Turn"]:
        """Give *assignment* to a judge; one that has not answered by the end of the block, or has failed, is ended."""
        while (judge := await self._waiting.get()).has_ended:
            self._dismiss(judge)
        turn = _Turn(judge, judge.processor_seconds(), asyncio.ensure_future(judge.ask(assignment)))
        try:
            with JUDGE_SECONDS.time():
                yield turn
        finally:
            if turn.leaves_judge_sound and not judge.has_ended:
                self._waiting.put_nowait(judge)
            else:
                self._dismiss(judge)
                turn.asking.cancel()
                await asyncio.gather(turn.asking, return_exceptions=True)

    async def _abandoned(self, turn: "_Turn") -> messages.Opinion:
        """Have the judge give up what it has in hand; return its opinion if it comes to one at this very moment.

        Raises:
            TooManySlowError: it has given it up, or is ended since it has not.
        """
        turn.judge.abandon()
        if await turn.answers_in(_ABANDON_SECONDS):
            return await turn.opinion()
        raise TooManySlowError("it could not be given up")

    async def _slowly(self, turn: "_Turn", on_slow: Callable[[float], None]) -> messages.Opinion:
        longest = _PATIENCE * self._seconds
        self._slow += 1
        turn.judge.step_back()
        try:
            on_slow(longest)
            async with asyncio.timeout(longest):
                return await turn.opinion()
        except TimeoutError:
            raise JudgeEndedError(f"it has not answered in {longest:g} s") from None
        finally:
            self._slow -= 1

    def _replenish(self) -> None:
        """Start as many as are missing; those for slow ones, too, since starting one would be in everybody's way."""
        missing = 2 * self._count + 1 - len(self._living) - self._starting
        for _ in range(0 if self._is_ending else missing):
            self._starting += 1
            self._tasks.create_task(self._start_one())

    async def _start_one(self) -> None:
        """Add a judge to those that wait for work, however often that must be tried."""
        backoff = Backoff()
        judge = await self._started()
        while judge is None and not self._is_ending:
            await asyncio.sleep(backoff.delay())
            judge = await self._started()
        self._starting -= 1
        if judge is None:
            return
        if self._is_ending:
            await judge.end()
            return
        self.trouble = None
        self._living.add(judge)
        JUDGES.inc()
        self._waiting.put_nowait(judge)

    async def _started(self) -> Judge | None:
        try:
            return await Judge.start(seconds=self._seconds, command=self._command)
        except JudgeNotStartedError as error:
            self.trouble = str(error)
            log.warning("judge_not_started", reason=str(error))
            return None

    def _dismiss(self, judge: Judge) -> None:
        """End a judge that has ended already, or is not waited for any more."""
        judge.kill()
        self._tasks.create_task(judge.end())
        self._living.remove(judge)
        JUDGES.dec()
        JUDGES_ENDED.inc()
        log.warning("judge_dismissed", judge_pid=judge.pid)
        self._replenish()


@dataclass(frozen=True, slots=True)
class _Turn:
    """A judge with an assignment."""

    judge: Judge
    used_before: float  # seconds of processor time
    asking: "asyncio.Future[messages.Opinion | messages.Abandoned]"

    @property
    def leaves_judge_sound(self) -> bool:
        """Whether the judge has nothing in hand any more, and has not failed, which it might do again.

        A wait that was given up says nothing about that.
        """
        if not self.asking.done() or self.asking.cancelled() or self.asking.exception() is not None:
            return False
        return not isinstance(self.asking.result(), messages.Failed)

    async def opinion(self) -> messages.Opinion:
        """Return what the judge answers.

        Raises:
            TooManySlowError: it was asked to give the assignment up.
        """
        said = await self.asking
        if isinstance(said, messages.Abandoned):
            raise TooManySlowError("it was given up, since others are slow already")
        return said

    async def is_quick(self) -> bool:
        """Return True as soon as the judge has answered or ended, False as soon as it is slow."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _QUIET_SECONDS
        while self.used_seconds() < QUICK_SECONDS and loop.time() < until:
            if await self.answers_in(_LOOK_EVERY_SECONDS):
                return True
        return False

    async def answers_in(self, seconds: float) -> bool:
        """Return True as soon as the judge has answered or ended, False when that takes longer than *seconds*."""
        done, _ = await asyncio.wait({self.asking}, timeout=seconds)
        return bool(done)

    def used_seconds(self) -> float:
        """Return how much processor time this assignment has taken so far."""
        return self.judge.processor_seconds() - self.used_before


@asynccontextmanager
async def open_judges(*, count: int, seconds: float, command: Sequence[str] = COMMAND) -> AsyncIterator[Judges]:
    """Give *count* judges that give each upload *seconds* of processor time; end all of them with the block."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        judges = Judges(tasks, count=count, seconds=seconds, command=command)
        try:
            yield judges
        except Exception as error:  # noqa: BLE001 - raised again below, out of the group, where it is understood
            failure = error
        finally:
            judges.end()
    if failure is not None:
        raise failure
