"""The worker: claims due orders, and runs each until it must wait or ends.

An order's state lives only in its row, so a restart loses nothing. The loop is `shared.process.leased_work`, a step of
an order and what can fail in it are in `runner`.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from services.provisioner.runner import Lease, Runner
from services.provisioner.steps.run import Run
from services.provisioner.store import orders
from services.provisioner.store.claims import Claims
from shared.store import Pool


@dataclass(slots=True, kw_only=True)
class Worker:
    """Runs up to *max_in_flight* orders at once; the `Work` of a `LeasedWork`."""

    pool: Pool
    claims: Claims
    runner: Runner
    max_in_flight: int
    lease: Lease

    def room(self, in_hand: int) -> int:
        """Return how many more orders to claim."""
        return self.max_in_flight - in_hand

    async def claim(self, limit: int) -> tuple[Run, ...]:
        """Claim up to *limit* due orders."""
        started = asyncio.get_running_loop().time()  # before the claim, so that our lease ends before PostgreSQL's
        deadline = self.lease.deadline(started)
        return tuple(Run(order, deadline) for order in await self.claims.claim(limit))

    async def step(self, run: Run) -> bool:
        """Do the next step of the order; return whether there is another."""
        return await self.runner.step(run)

    async def hand_back(self, run: Run, *, wait: timedelta) -> None:
        """Make the order due after *wait*, instead of at the end of the lease."""
        async with self.pool.acquire() as connection:
            await orders.hand_back(connection, run.order, wait=wait)

    async def set_aside(self, run: Run) -> None:
        """Record in the order's row that a bug stopped it; it is tried again later."""
        await self.runner.release_after_bug(run)

    def facts(self, run: Run) -> dict[str, str]:
        """Return what identifies the order in the log."""
        return {"order_id": run.order.id, "domain": run.order.name}
