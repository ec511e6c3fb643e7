"""The worker: claims due orders and runs each as far as it goes.

It looks for due orders every second, and at once when NOTIFY says that one was opened. What befalls an order ends in
its row; nothing here remembers anything that a restart would lose.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from services.provisioner.metrics import IN_HAND
from services.provisioner.rules.orders import Order
from services.provisioner.runner import Lease, Runner
from services.provisioner.steps.run import Run
from services.provisioner.store import orders
from services.provisioner.store.claims import Claims
from shared.errors import LostLeaseError, StoreUnavailableError
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_POLL_SECONDS: Final = 1.0  # how late a retry may be; a new order is told by NOTIFY
_STORE_AWAY_SECONDS: Final = 0.5
_FAREWELL_SECONDS: Final = 1.0
_AFTER_A_BUG: Final = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Worker:
    """Runs up to *max_in_flight* orders at once."""

    pool: Pool
    claims: Claims
    runner: Runner
    max_in_flight: int
    lease: Lease
    wake: asyncio.Event
    _running: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def work(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set; then finish the step that each order is in, and hand the orders back.

        A step that is cancelled is begun again by whoever takes the order over.
        """
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                try:
                    if not await self._claim(group, stop):
                        await self._sleep()
                except StoreUnavailableError as error:
                    log.warning("store_away", reason=str(error))
                    await asyncio.sleep(_STORE_AWAY_SECONDS)

    async def _claim(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> bool:
        """Take what is due and can be run; return whether more may be due."""
        self.wake.clear()
        free = self.max_in_flight - len(self._running)
        if free == 0:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED, timeout=_POLL_SECONDS)
            return True
        started = asyncio.get_running_loop().time()  # before the claim, so that our lease ends before PostgreSQL's
        claimed = await self.claims.take(free)
        for order in claimed:
            task = group.create_task(self._run(Run(order, self.lease.deadline(started)), stop))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        IN_HAND.set(len(self._running))
        return len(claimed) == free

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self.wake.wait()
        except TimeoutError:
            return

    async def _run(self, run: Run, stop: asyncio.Event) -> None:
        """Take the order as far as it goes; whatever happens, its row says so and no error gets out."""
        try:
            await self._advance(run, stop)
        except LostLeaseError as error:
            log.info("order_left_alone", order_id=run.order.id, reason=str(error))
        except StoreUnavailableError as error:
            log.warning("order_interrupted", order_id=run.order.id, reason=str(error))
            await self._hand_back(run.order)
        except asyncio.CancelledError:
            # The CA may be at work on what it was asked last: whoever takes the order over is to find that done.
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self._hand_back(run.order, wait=timedelta(seconds=self.lease.margin_seconds))
            raise
        except Exception:
            log.exception("order_failed_unexpectedly", order_id=run.order.id, domain=run.order.name)
            await self._set_aside(run)

    async def _set_aside(self, run: Run) -> None:
        """Let the row say that a bug of ours stopped the order, which is tried again later; a bug may be here, too."""
        try:
            await self.runner.release_after_bug(run)
        except Exception:
            log.exception("order_not_set_aside", order_id=run.order.id)
            await self._hand_back(run.order, wait=_AFTER_A_BUG)

    async def _advance(self, run: Run, stop: asyncio.Event) -> None:
        while await self.runner.step(run):
            if stop.is_set():
                await self._hand_back(run.order)
                return

    async def _hand_back(self, order: Order, *, wait: timedelta = timedelta()) -> None:
        """Let the order be due after *wait* instead of at the end of the lease, if the database can be told."""
        deadline = asyncio.get_running_loop().time() + self.lease.length.total_seconds()
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with self.pool.acquire() as connection:
                    await orders.hand_back(connection, order, wait=wait)
            except StoreUnavailableError:
                await asyncio.sleep(_STORE_AWAY_SECONDS)
            else:
                return
