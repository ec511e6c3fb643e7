"""Nonces are spent once, fetched by one task at a time, and not too many a second."""

import asyncio
from itertools import count

import pytest

from services.provisioner.adapters.acme.nonces import NoncePool, well_formed


class CountingFetch:
    """Gives nonces called 1, 2, 3 ... and records how many were requested at once."""

    def __init__(self) -> None:
        self.fetched = count(1)
        self.under_way = 0
        self.most_under_way = 0

    async def __call__(self, _deadline: float) -> str:
        """Return the next nonce."""
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return str(next(self.fetched))


async def test_a_nonce_is_spent_once() -> None:
    pool = NoncePool(CountingFetch())
    pool.keep("kept")

    assert pool.spare() == "kept"
    assert pool.spare() is None
    assert await pool.take(0.0) == "1"


async def test_the_newest_nonce_is_used_first_and_the_oldest_are_dropped() -> None:
    pool = NoncePool(CountingFetch())
    for number in range(100):
        pool.keep(str(number))

    spent = [pool.spare() for _ in range(64)]

    assert spent == [str(number) for number in range(99, 35, -1)]
    assert pool.spare() is None


async def test_an_answer_without_a_nonce_adds_none() -> None:
    pool = NoncePool(CountingFetch())

    pool.keep(None)

    assert pool.spare() is None


async def test_tasks_that_need_a_nonce_fetch_one_after_another() -> None:
    fetch = CountingFetch()
    pool = NoncePool(fetch)

    taken = await asyncio.gather(*(pool.take(0.0) for _ in range(10)))

    assert sorted(taken, key=int) == [str(number) for number in range(1, 11)]
    assert fetch.most_under_way == 1


async def test_a_nonce_from_an_answer_saves_a_fetch() -> None:
    arrived = asyncio.Event()

    async def slow(_deadline: float) -> str:
        await arrived.wait()
        return "fetched"

    pool = NoncePool(slow)
    first, second = asyncio.ensure_future(pool.take(0.0)), asyncio.ensure_future(pool.take(0.0))
    await asyncio.sleep(0)
    pool.keep("brought")
    arrived.set()

    assert sorted(await asyncio.gather(first, second)) == ["brought", "fetched"]


async def test_after_a_burst_twenty_nonces_a_second_are_fetched() -> None:
    loop = asyncio.get_running_loop()
    pool = NoncePool(CountingFetch())
    started = loop.time()

    for _ in range(10 + 4):
        await pool.take(0.0)

    assert loop.time() - started > 0.14


async def test_a_cancelled_fetch_lets_the_next_task_fetch() -> None:
    blocked = asyncio.Event()

    async def fetch(_deadline: float) -> str:
        if not blocked.is_set():
            blocked.set()
            await asyncio.Event().wait()
        return "for the next"

    pool = NoncePool(fetch)
    first, second = asyncio.ensure_future(pool.take(0.0)), asyncio.ensure_future(pool.take(0.0))
    await blocked.wait()
    first.cancel()

    assert await second == "for the next"


@pytest.mark.parametrize("header", [None, "", "a b", 'a"', "ä", "a\n", "a" * 1025])
def test_a_malformed_nonce_is_ignored(header: str | None) -> None:
    assert well_formed(header) is None


def test_a_nonce_is_base64url() -> None:
    assert well_formed("Az09_-") == "Az09_-"
