"""The loop of a worker that claims rows under a lease and works on several at once.

The worker polls, and is woken earlier by *wake*. Rules:

* an item's state lives only in its row, so a restart loses nothing;
* no error of one item ends the loop or harms another item: it ends in the item's row, or the lease expires and some
  worker claims the item again;
* an item that this worker cannot finish is handed back, so that the next worker need not wait for the lease to expire;
* a cancelled worker hands back what it has, if the database answers within a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Generic, Protocol, TypeVar

import structlog
from prometheus_client import Gauge

from shared.errors import LostLeaseError, StoreUnavailableError
from shared.process.backoff import wait_at_most

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

POLL_SECONDS: Final = 1.0  # the delay of a retry, and of a NOTIFY that was missed
_STORE_RETRY_SECONDS: Final = 0.5
_FAREWELL_SECONDS: Final = 1.0
_AFTER_A_BUG: Final = timedelta(minutes=1)

T = TypeVar("T")


class Work(Protocol[T]):
    """What a service does with its items. A method may raise `StoreUnavailableError` while the database is down."""

    def room(self, in_hand: int) -> int:
        """Return how many items to claim now that *in_hand* are being worked on; 0 means none until one is finished."""

    async def claim(self, limit: int) -> Sequence[T]:
        """Return up to *limit* due items, now leased to this process; fewer only if no more are due."""

    async def step(self, item: T) -> bool:
        """Do the next step of *item*; return whether there is another. Failures with a known remedy are handled here.

        Raises:
            LostLeaseError: the lease has expired, and another worker may have the item.
        """

    async def hand_back(self, item: T, *, wait: timedelta) -> None:
        """Give up the lease on *item*, and make it due again after *wait*. Without the lease nothing happens."""

    async def set_aside(self, item: T) -> None:
        """Record in the row of *item* that a bug stopped it, and when to try again."""

    def facts(self, item: T) -> dict[str, str]:
        """Return what identifies *item* in the log."""


@dataclass(slots=True, kw_only=True)
class LeasedWork(Generic[T]):
    """Claims items of *work* and works on them until a stop.

    *lease* is how long a claim lasts. After a cancellation an item stays leased for *wait_after_cancel*, for work that
    others may still be doing for it. The gauge *in_hand* counts the items that this process is working on.
    """

    work: Work[T]
    wake: asyncio.Event
    lease: timedelta
    in_hand: Gauge
    wait_after_cancel: timedelta = timedelta()
    _counted: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set; then finish the step that each item is in, and hand the items back."""
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                try:
                    may_have_more = await self._claim(group, stop)
                except StoreUnavailableError as error:
                    log.warning("claiming_waits_for_store", reason=str(error))
                    await asyncio.sleep(_STORE_RETRY_SECONDS)
                    continue
                if not may_have_more:
                    await wait_at_most(self.wake, POLL_SECONDS)

    async def hand_back(self, item: T, *, wait: timedelta = timedelta()) -> None:
        """Hand *item* back, to be due after *wait*."""
        await write_while_leased(lambda: self.work.hand_back(item, wait=wait), lease=self.lease)

    async def _claim(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> bool:
        """Claim what is due, as far as there is room; return whether more may be due."""
        self.wake.clear()
        room = self.work.room(len(self._counted))
        if room == 0:
            if not self._counted:
                return False
            await asyncio.wait(self._counted, return_when=asyncio.FIRST_COMPLETED, timeout=POLL_SECONDS)
            return True
        claimed = await self.work.claim(room)
        for item in claimed:
            task = group.create_task(self._finish(item, stop))
            self._counted.add(task)
            task.add_done_callback(self._counted.discard)
        return len(claimed) == room

    async def _finish(self, item: T, stop: asyncio.Event) -> None:
        """Run the steps of *item* until there is none left; every error is handled here."""
        facts = self.work.facts(item)
        try:
            with self.in_hand.track_inprogress():
                await self._steps(item, stop)
        except LostLeaseError as error:
            log.info("work_lost_its_lease", **facts, reason=str(error))
        except StoreUnavailableError as error:
            log.warning("work_interrupted", **facts, reason=str(error))
            await self.hand_back(item)
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self.hand_back(item, wait=self.wait_after_cancel)
            raise
        except Exception:
            log.exception("work_failed_unexpectedly", **facts)
            await self._set_aside(item)

    async def _steps(self, item: T, stop: asyncio.Event) -> None:
        while await self.work.step(item):
            if stop.is_set():
                await self.hand_back(item)
                return

    async def _set_aside(self, item: T) -> None:
        try:
            await self.work.set_aside(item)
        except Exception:
            log.exception("work_not_set_aside", **self.work.facts(item))
            await self.hand_back(item, wait=_AFTER_A_BUG)


async def write_while_leased(write: Callable[[], Awaitable[None]], *, lease: timedelta) -> None:
    """Do *write*; while the database is down repeat it, until *lease* is over and another worker may have the item."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + lease.total_seconds()
    while loop.time() < deadline:
        try:
            await write()
        except StoreUnavailableError:
            await asyncio.sleep(_STORE_RETRY_SECONDS)
        else:
            return
