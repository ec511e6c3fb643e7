"""A chore on a timer survives an outage of the database, and ends at the stop."""

import asyncio

from dev.waiting import within
from shared.errors import StoreUnavailableError
from shared.process.periodic import every


async def test_a_chore_is_done_at_once_and_again_until_the_stop() -> None:
    stop, times = asyncio.Event(), 0

    async def chore() -> None:
        nonlocal times
        times += 1
        if times == 3:
            stop.set()

    async with within("this step"):
        await every(0.01, chore, stop, name="test")

    assert times == 3


async def test_a_chore_without_the_database_is_left_out_once() -> None:
    stop, times = asyncio.Event(), 0

    async def chore() -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise StoreUnavailableError("away")
        stop.set()

    async with within("this step"):
        await every(0.01, chore, stop, name="test")

    assert times == 2


async def test_a_stop_ends_the_wait_for_the_next_time() -> None:
    stop = asyncio.Event()

    async def chore() -> None:
        asyncio.get_running_loop().call_soon(stop.set)

    async with within("this step"):
        await every(3600, chore, stop, name="test")
