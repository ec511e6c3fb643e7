"""Claims due uploads and has them judged. Whatever happens to one, its row says so, and no error gets out."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from services.validator.metrics import FAILURES, IN_HAND, count_rejection
from services.validator.rules.uploads import Waiting
from services.validator.sandbox.pool import TooManySlowError
from services.validator.sandbox.process import JudgeEndedError
from services.validator.store import claims, verdicts
from services.validator.store.claims import Claims
from services.validator.verdict import Judging, NoOpinionError
from shared.errors import LostLeaseError, StoreUnavailableError
from shared.events import EventReason
from shared.process.backoff import wait_at_most
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MAX_FAILURES: Final = 3
_WAITS: Final = (timedelta(seconds=1), timedelta(seconds=5))  # after the first failure, the second
_POLL_SECONDS: Final = 1.0  # how late a retry may be; a new upload is told by NOTIFY
_STORE_AWAY_SECONDS: Final = 0.5
_FAREWELL_SECONDS: Final = 1.0
_KEPT_FOR: Final = 3  # a slow upload's lease is extended so many times in its length


@dataclass(slots=True, kw_only=True)
class Worker:
    """Has up to *max_in_hand* uploads judged at once, and beside them those that are slow."""

    pool: Pool
    claims: Claims
    judging: Judging
    max_in_hand: int
    lease: timedelta
    wake: asyncio.Event
    _wake_slow: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _quick: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def work(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set; then bring what is in hand to its end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work_slowly(group, stop))
            while not stop.is_set():
                try:
                    if not await self._claim(group):
                        await self._sleep()
                except StoreUnavailableError as error:
                    log.warning("store_away", reason=str(error))
                    await asyncio.sleep(_STORE_AWAY_SECONDS)

    async def _work_slowly(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Take what is known to be slow, as far as there is room for it."""
        while not stop.is_set():
            await wait_at_most(self._wake_slow, _POLL_SECONDS)
            self._wake_slow.clear()
            try:
                if not stop.is_set() and (room := self.judging.judges.room_for_slow) > 0:
                    for upload in await self.claims.take(room, slow=True):
                        task = group.create_task(self._run(upload))
                        task.add_done_callback(lambda _task: self._wake_slow.set())
            except StoreUnavailableError as error:
                log.debug("store_away", reason=str(error))

    async def _claim(self, group: asyncio.TaskGroup) -> bool:
        """Take what is due and can be judged; return whether more may be due."""
        self.wake.clear()
        free = self.max_in_hand - len(self._quick)
        if free < self.max_in_hand / 2:  # one claim for several
            await asyncio.wait(self._quick, return_when=asyncio.FIRST_COMPLETED, timeout=_POLL_SECONDS)
            return True
        claimed = await self.claims.take(free)
        for upload in claimed:
            task = group.create_task(self._run(upload))
            self._quick.add(task)
            task.add_done_callback(self._quick.discard)
        return len(claimed) == free

    async def _sleep(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self.wake.wait()

    async def _run(self, upload: Waiting) -> None:
        """Have *upload* judged; one that cannot be now is handed back, and rejected when that goes on."""
        with IN_HAND.track_inprogress():
            try:
                await self._judge(upload)
            except LostLeaseError as error:
                log.info("upload_left_alone", certificate_id=upload.certificate_id, reason=str(error))
            except StoreUnavailableError as error:
                log.warning("upload_interrupted", certificate_id=upload.certificate_id, reason=str(error))
                await self._hand_back(upload)
            except TooManySlowError as error:
                log.warning("upload_too_slow_for_now", certificate_id=upload.certificate_id, reason=str(error))
                await self._hand_back(upload, is_slow=True)
                self._wake_slow.set()
            except asyncio.CancelledError:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL_SECONDS):
                        await self._hand_back(upload)
                raise
            except (JudgeEndedError, NoOpinionError) as error:
                log.error("judging_failed", certificate_id=upload.certificate_id, reason=str(error))  # noqa: TRY400 - its text says where
                await self._failed(upload)
            except Exception:
                log.exception("judging_failed_unexpectedly", certificate_id=upload.certificate_id)
                await self._failed(upload)

    async def _judge(self, upload: Waiting) -> None:
        task = asyncio.current_task()
        keeping: list[asyncio.Task[None]] = []

        def on_slow(_seconds: float) -> None:
            if task is not None:
                self._quick.discard(task)  # so there is room for another
            keeping.append(asyncio.ensure_future(self._keep(upload)))

        try:
            await self.judging.judge(upload, on_slow=on_slow)
        finally:
            for each in keeping:
                each.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def _keep(self, upload: Waiting) -> None:
        """Keep the lease until cancelled or lost, and never for longer: if we die, somebody else begins soon.

        Who has lost it is told so when the verdict is to be written.
        """
        with suppress(LostLeaseError):
            while True:
                with suppress(StoreUnavailableError):
                    async with self.pool.acquire() as connection:
                        await claims.keep(connection, upload, lease=self.lease)
                await asyncio.sleep(self.lease.total_seconds() / _KEPT_FOR)

    async def _failed(self, upload: Waiting) -> None:
        """Note that a fault of ours kept *upload* from its verdict: it is tried again, or rejected after some times."""
        FAILURES.inc()
        if upload.attempt + 1 < MAX_FAILURES:
            await self._hand_back(upload, wait=_WAITS[upload.attempt], has_failed=True)
            return
        try:
            await verdicts.reject(self.pool, upload, [_GIVEN_UP])
            count_rejection([_GIVEN_UP])
        except (LostLeaseError, StoreUnavailableError) as error:
            log.warning("upload_not_given_up", certificate_id=upload.certificate_id, reason=str(error))

    async def _hand_back(
        self, upload: Waiting, *, wait: timedelta = timedelta(), has_failed: bool = False, is_slow: bool = False
    ) -> None:
        """Let *upload* be due after *wait* instead of at the end of the lease, if the database can be told."""
        deadline = asyncio.get_running_loop().time() + self.lease.total_seconds()
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with self.pool.acquire() as connection:
                    await claims.hand_back(connection, upload, wait=wait, has_failed=has_failed, is_slow=is_slow)
            except StoreUnavailableError:
                await asyncio.sleep(_STORE_AWAY_SECONDS)
            else:
                return


_GIVEN_UP: Final = EventReason(
    code="judging_failed",
    message=f"bundle and key could not be judged in {MAX_FAILURES} tries, by a fault of this program; ask the "
    "platform's operator, who finds it in the validator's log, then upload it again under another identifier",
    where="bundle",
)
