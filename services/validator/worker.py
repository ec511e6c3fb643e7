"""The workers: claim due uploads, and have them judged.

There are two loops of `shared.process.leased_work`: one for most uploads, one for those that are known to be slow, so
that these leave room for the others. Here is what they share: judging an upload, and the table of what can fail in it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from services.validator.metrics import FAILURES, count_rejection
from services.validator.rules.uploads import ClaimedUpload
from services.validator.sandbox.pool import SandboxPool, TooManySlowError
from services.validator.sandbox.process import SandboxEndedError
from services.validator.store import claims
from services.validator.store.claims import Claims
from services.validator.store.verdicts import reject
from services.validator.verdict import JudgingFailedError, Verdicts
from shared.errors import LostLeaseError, StoreUnavailableError
from shared.events import EventReason, ReasonCode
from shared.process.leased_work import write_while_leased
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MAX_FAILURES: Final = 3
_WAITS: Final = (timedelta(seconds=1), timedelta(seconds=5))  # after the first failure, after the second
_EXTENSIONS: Final = 3  # a slow upload's lease is extended this often within its length
_GIVEN_UP: Final = EventReason(
    code=ReasonCode.JUDGING_FAILED,
    message=f"bundle and key could not be judged in {MAX_FAILURES} tries, by a fault of this program; ask the "
    "platform's operator, who finds it in the validator's log, then upload it again under another identifier",
    where="bundle",
)


@dataclass(slots=True, kw_only=True)
class _Uploads:
    """What both loops do with an upload. *wake_slow* wakes the loop of slow uploads."""

    pool: Pool
    claims: Claims
    verdicts: Verdicts
    lease: timedelta
    wake_slow: asyncio.Event
    _slow: int = field(default=0, init=False)  # uploads being judged that turned out to be slow

    async def step(self, upload: ClaimedUpload) -> bool:
        """Have *upload* judged, which is its only step."""
        try:
            async with self._lease_extended(upload) as on_slow:
                await self.verdicts.judge(upload, on_slow=on_slow)
        except TooManySlowError as error:
            log.warning("upload_too_slow_for_now", certificate_id=upload.certificate_id, reason=str(error))
            await self._hand_back(upload, is_slow=True)
            self.wake_slow.set()
        except (SandboxEndedError, JudgingFailedError) as error:
            log.error("judging_failed", certificate_id=upload.certificate_id, reason=str(error))  # noqa: TRY400 - its text says where
            await self.set_aside(upload)
        return False

    async def hand_back(self, upload: ClaimedUpload, *, wait: timedelta) -> None:
        """Make *upload* due after *wait*, instead of at the end of the lease."""
        async with self.pool.acquire() as connection:
            await claims.hand_back(connection, upload, wait=wait)

    async def set_aside(self, upload: ClaimedUpload) -> None:
        """Count a fault of ours that kept *upload* from its verdict; try again, or reject it after `MAX_FAILURES`."""
        FAILURES.inc()
        if upload.attempt + 1 < MAX_FAILURES:
            await self._hand_back(upload, wait=_WAITS[upload.attempt], has_failed=True)
            return
        try:
            await reject(self.pool, upload, [_GIVEN_UP])
            count_rejection([_GIVEN_UP])
        except (LostLeaseError, StoreUnavailableError) as error:
            log.warning("upload_not_given_up", certificate_id=upload.certificate_id, reason=str(error))

    def facts(self, upload: ClaimedUpload) -> dict[str, str]:
        """Return what identifies *upload* in the log."""
        return {"certificate_id": upload.certificate_id}

    async def _hand_back(
        self, upload: ClaimedUpload, *, wait: timedelta = timedelta(), has_failed: bool = False, is_slow: bool = False
    ) -> None:
        async def write() -> None:
            async with self.pool.acquire() as connection:
                await claims.hand_back(connection, upload, wait=wait, has_failed=has_failed, is_slow=is_slow)

        await write_while_leased(write, lease=self.lease)

    @asynccontextmanager
    async def _lease_extended(self, upload: ClaimedUpload) -> AsyncIterator[Callable[[float], None]]:
        """Yield a callback for when *upload* turns out to be slow: from then on its lease is kept during the block."""
        extending: list[asyncio.Task[None]] = []

        def on_slow(_seconds: float) -> None:
            self._slow += 1
            extending.append(asyncio.ensure_future(self._extend(upload)))

        try:
            yield on_slow
        finally:
            self._slow -= len(extending)
            for task in extending:
                task.cancel()
            await asyncio.gather(*extending, return_exceptions=True)

    async def _extend(self, upload: ClaimedUpload) -> None:
        """Extend the lease again and again, each time by its length and no more: if this process dies, it expires soon.

        If the lease is lost, writing the verdict raises `LostLeaseError`.
        """
        with suppress(LostLeaseError):
            while True:
                with suppress(StoreUnavailableError):
                    async with self.pool.acquire() as connection:
                        await claims.keep(connection, upload, lease=self.lease)
                await asyncio.sleep(self.lease.total_seconds() / _EXTENSIONS)


@dataclass(slots=True, kw_only=True)
class QuickUploads(_Uploads):
    """Up to *max_in_hand* uploads at once, not counting those that turned out to be slow."""

    max_in_hand: int

    def room(self, in_hand: int) -> int:
        """Return how many more uploads to claim; 0 until one claim is for several."""
        free = self.max_in_hand - (in_hand - self._slow)
        return free if free >= self.max_in_hand / 2 else 0

    async def claim(self, limit: int) -> tuple[ClaimedUpload, ...]:
        """Claim up to *limit* due uploads that are not known to be slow."""
        return await self.claims.claim(limit)


@dataclass(slots=True, kw_only=True)
class SlowUploads(_Uploads):
    """Uploads that were tried and took long, as far as *sandbox* has room for them."""

    sandbox: SandboxPool

    def room(self, in_hand: int) -> int:
        """Return how many more slow uploads can be judged now, excluding those that the pool does not count yet."""
        return max(0, self.sandbox.room_for_slow - (in_hand - self._slow))

    async def claim(self, limit: int) -> tuple[ClaimedUpload, ...]:
        """Claim up to *limit* due uploads that are known to be slow."""
        return await self.claims.claim(limit, slow=True)
