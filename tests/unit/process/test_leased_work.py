"""A worker's loop: whatever happens to an item, the others continue, and none is kept longer than needed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge

from dev.waiting import within
from shared.errors import LostLeaseError, StoreUnavailableError
from shared.process.leased_work import LeasedWork, write_while_leased

AT_ONCE = timedelta()
Step = Callable[[str], bool]


class _MemoryWork:
    """Work in memory. Items are strings; *step* runs one step of an item and returns whether another follows."""

    def __init__(self, *items: str, places: int = 10, step: Step = lambda _item: False) -> None:
        self.due = list(items)
        self.places = places
        self.does = step
        self.claims: list[int] = []
        self.steps: list[str] = []
        self.handed_back: list[tuple[str, timedelta]] = []
        self.aside: list[str] = []
        self.outages = 0
        self.changed = asyncio.Event()

    def room(self, in_hand: int) -> int:
        return self.places - in_hand

    async def claim(self, limit: int) -> Sequence[str]:
        if self.outages:
            self.outages -= 1
            raise StoreUnavailableError("away")
        self.claims.append(limit)
        claimed, self.due = self.due[:limit], self.due[limit:]
        return claimed

    async def step(self, item: str) -> bool:
        self.steps.append(item)
        self.changed.set()
        await asyncio.sleep(0)
        return self.does(item)

    async def hand_back(self, item: str, *, wait: timedelta) -> None:
        if self.outages:
            self.outages -= 1
            raise StoreUnavailableError("away")
        self.handed_back.append((item, wait))
        self.changed.set()

    async def set_aside(self, item: str) -> None:
        self.aside.append(item)
        self.changed.set()
        if item == "cursed":
            raise RuntimeError("a bug in the handling of a bug")

    def facts(self, item: str) -> dict[str, str]:
        return {"item": item}


def gauge() -> Gauge:
    return Gauge("items_in_hand", "", registry=CollectorRegistry())


def loop_of(work: _MemoryWork, *, wait_after_cancel: timedelta = AT_ONCE) -> LeasedWork[str]:
    return LeasedWork(
        work=work,
        wake=asyncio.Event(),
        lease=timedelta(seconds=30),
        in_hand=gauge(),
        wait_after_cancel=wait_after_cancel,
    )


@asynccontextmanager
async def working(loop: LeasedWork[str]) -> AsyncIterator[asyncio.Task[None]]:
    """Run *loop*; stop it at the end of the block and wait for its end."""
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    try:
        yield task
    finally:
        stop.set()
        loop.wake.set()
        with suppress(asyncio.CancelledError):
            await task


async def until(work: _MemoryWork, condition: Callable[[], bool]) -> None:
    async with within("this step"):
        while not condition():
            work.changed.clear()
            await work.changed.wait()


async def test_steps_are_done_until_there_is_no_other() -> None:
    work = _MemoryWork("a")
    work.does = lambda _item: len(work.steps) < 3

    async with working(loop_of(work)):
        await until(work, lambda: len(work.steps) == 3)

    assert work.steps == ["a"] * 3
    assert work.handed_back == []


async def test_no_more_items_are_in_hand_than_there_is_room_for() -> None:
    most = 0
    work = _MemoryWork(*"abcdefgh", places=3)
    loop = loop_of(work)

    def step(_item: str) -> bool:
        nonlocal most
        most = max(most, len(loop._counted))
        return False

    work.does = step
    async with working(loop):
        await until(work, lambda: len(work.steps) == 8)

    assert most == 3
    assert max(work.claims) == 3


async def test_a_notification_wakes_a_loop_that_found_nothing() -> None:
    work = _MemoryWork()
    loop = loop_of(work)
    began = asyncio.get_running_loop().time()

    async with working(loop):
        while not work.claims:
            await asyncio.sleep(0)
        work.due.append("a")
        loop.wake.set()
        await until(work, lambda: work.steps == ["a"])
        waited = asyncio.get_running_loop().time() - began

    assert waited < 0.9  # a poll comes after a second


async def test_an_item_between_two_steps_is_handed_back_at_a_stop() -> None:
    work = _MemoryWork("a", step=lambda _item: True)

    async with working(loop_of(work)):
        await until(work, lambda: len(work.steps) > 2)

    assert work.handed_back == [("a", AT_ONCE)]


async def test_a_cancelled_loop_hands_back_what_it_has_after_the_wait_it_was_given() -> None:
    work = _MemoryWork("a", step=lambda _item: True)

    async with working(loop_of(work, wait_after_cancel=timedelta(seconds=7))) as task:
        await until(work, lambda: len(work.steps) > 2)
        task.cancel()
        await asyncio.wait({task})

    assert work.handed_back == [("a", timedelta(seconds=7))]


async def test_an_item_without_its_lease_is_left_alone() -> None:
    def step(_item: str) -> bool:
        raise LostLeaseError("expired")

    work = _MemoryWork("a", step=step)

    async with working(loop_of(work)):
        await until(work, lambda: work.steps == ["a"])

    assert (work.handed_back, work.aside) == ([], [])


async def test_a_claim_without_the_database_is_repeated() -> None:
    work = _MemoryWork("a")
    work.outages = 1

    async with working(loop_of(work)):
        await until(work, lambda: work.steps == ["a"])


async def test_an_item_is_handed_back_once_the_database_is_there_again() -> None:
    def step(_item: str) -> bool:
        work.outages = 1
        raise StoreUnavailableError("away")

    work = _MemoryWork("a", step=step)

    async with working(loop_of(work)):
        await until(work, lambda: bool(work.handed_back))

    assert work.handed_back == [("a", AT_ONCE)]


async def test_an_unexpected_error_sets_one_item_aside_and_the_others_go_on() -> None:
    def step(item: str) -> bool:
        if item in ("bad", "cursed"):
            raise RuntimeError("a bug")
        return False

    work = _MemoryWork("bad", "cursed", "good", step=step)

    async with working(loop_of(work)):
        await until(work, lambda: len(work.steps) == 3 and len(work.handed_back) == 1)

    assert work.aside == ["bad", "cursed"]
    assert work.handed_back == [("cursed", timedelta(minutes=1))]


async def test_items_in_hand_are_counted() -> None:
    seen: list[float] = []
    work = _MemoryWork("a", "b")
    loop = loop_of(work)

    def step(_item: str) -> bool:
        seen.append(loop.in_hand._value.get())
        return False

    work.does = step
    async with working(loop):
        await until(work, lambda: len(work.steps) == 2)

    assert seen == [2, 1]
    assert loop.in_hand._value.get() == 0


async def test_a_write_is_not_repeated_after_the_lease() -> None:
    tries = 0

    async def write() -> None:
        nonlocal tries
        tries += 1
        raise StoreUnavailableError("away")

    await write_while_leased(write, lease=timedelta(seconds=0.1))

    assert tries == 1
