"""The judges, a bounded number of them, and how an upload that is slow is kept from being in the way of the others.

Nearly every upload is judged in a few milliseconds. One that takes longer than `QUICK_SECONDS` is slow: its judge steps
back to the lowest priority, and another takes its seat. Only so many may be slow at a time; what is slow beyond that is
ended, and can be tried again later.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from services.validator import wire
from services.validator.judges.judge import COMMAND, Judge, JudgeEndedError, JudgeNotStartedError
from services.validator.measures import JUDGE_SECONDS, JUDGES, JUDGES_ENDED
from shared.errors import TransientError
from shared.messaging.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

QUICK_SECONDS: Final = 0.05  # of processor time
_QUIET_SECONDS: Final = 1.0  # one that has used less in so long waits for something, which none should
_LOOK_EVERY_SECONDS: Final = 0.02
_SLOW_FOR_EACH: Final = 2  # so many may be slow beside each that is quick
_PATIENCE: Final = 6  # who has stepped back gets little of a busy machine: so many times its processor time


class TooManySlowError(TransientError):
    """It is slow, and too many are; trying again later may help."""


class Judges:
    """*count* seats with a judge each, at work or waiting for work, and some slow ones beside them."""

    def __init__(self, tasks: asyncio.TaskGroup, *, count: int, seconds: float, command: Sequence[str]) -> None:
        self._tasks = tasks
        self._seconds = seconds
        self._command = command
        self._max_slow = _SLOW_FOR_EACH * count
        self._slow = 0
        self._waiting: asyncio.LifoQueue[Judge] = asyncio.LifoQueue()  # who has been at work last is warm
        self._living: set[Judge] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self.trouble: str | None = "the judges have not started yet"
        for _ in range(count):
            self._fill_seat()

    async def judge(self, assignment: wire.Assignment, *, on_slow: Callable[[float], None]) -> wire.Opinion:
        """Return a judge's opinion; *on_slow* is called once it takes long, with the seconds that it may take yet.

        Raises:
            TookTooLongError: it took all the processor time that an upload may take.
            JudgeEndedError: the judge ended for another reason, or did not answer.
            TooManySlowError: it is slow, and too many are.
        """
        judge = await self._take()
        asking = asyncio.ensure_future(judge.ask(assignment))
        has_seat = True
        try:
            with JUDGE_SECONDS.time():
                if await _is_quick(judge, asking):
                    return await asking
                if self._slow >= self._max_slow:
                    raise TooManySlowError(f"{self._slow} uploads are slow already")
                has_seat = False
                self._fill_seat()
                return await self._slowly(judge, asking, on_slow)
        finally:
            if has_seat and asking.done() and not judge.has_ended:
                self._waiting.put_nowait(judge)
            else:
                await _cancelled(asking)
                self._dismiss(judge)
                if has_seat:
                    self._fill_seat()

    def end(self) -> None:
        """End every judge, whatever it does, and start no other."""
        for starting in self._starting:
            starting.cancel()
        for judge in self._living:
            judge.kill()

    async def _take(self) -> Judge:
        """Return a judge that waits for work, as soon as there is one."""
        while (judge := await self._waiting.get()).has_ended:
            self._dismiss(judge)
            self._fill_seat()
        return judge

    async def _slowly(
        self, judge: Judge, asking: "asyncio.Future[wire.Opinion]", on_slow: Callable[[float], None]
    ) -> wire.Opinion:
        longest = _PATIENCE * self._seconds
        self._slow += 1
        try:
            judge.step_back()
            on_slow(longest)
            async with asyncio.timeout(longest):
                return await asking
        except TimeoutError:
            raise JudgeEndedError(f"it has not answered in {longest:g} s") from None
        finally:
            self._slow -= 1

    def _fill_seat(self) -> None:
        starting = self._tasks.create_task(self._start_one())
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    async def _start_one(self) -> None:
        """Add a judge to those that wait for work, however often that must be tried."""
        backoff = Backoff()
        judge = await self._started()
        while judge is None:
            await asyncio.sleep(backoff.delay())
            judge = await self._started()
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
        """End the judge: it has ended already, or is not to be waited for."""
        judge.kill()
        if judge in self._living:
            self._living.remove(judge)
            JUDGES.dec()
            JUDGES_ENDED.inc()
            log.warning("judge_dismissed", judge_pid=judge.pid)


@asynccontextmanager
async def open_judges(*, count: int, seconds: float, command: Sequence[str] = COMMAND) -> AsyncIterator[Judges]:
    """Give *count* judges that give each upload *seconds* of processor time; end all of them with the block."""
    async with asyncio.TaskGroup() as tasks:
        judges = Judges(tasks, count=count, seconds=seconds, command=command)
        try:
            yield judges
        finally:
            judges.end()


async def _is_quick(judge: Judge, asking: "asyncio.Future[wire.Opinion]") -> bool:
    """Return True as soon as *asking* is done, False as soon as it is slow."""
    loop = asyncio.get_running_loop()
    began, began_at = judge.processor_seconds(), loop.time()
    while True:
        done, _ = await asyncio.wait({asking}, timeout=_LOOK_EVERY_SECONDS)
        if done:
            return True
        if judge.processor_seconds() - began >= QUICK_SECONDS or loop.time() - began_at >= _QUIET_SECONDS:
            return False


async def _cancelled(asking: "asyncio.Future[wire.Opinion]") -> None:
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
