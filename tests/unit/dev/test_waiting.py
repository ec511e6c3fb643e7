"""Waits fail when nothing happens any longer, and not before."""

import asyncio
import itertools

import pytest

from dev.waiting import Patience, Watch, finished, share_of_machine, until, within

SHORT = 0.05


async def never() -> bool:
    return False


async def test_a_wait_returns_the_result_of_its_look() -> None:
    found = iter((None, 0, "", "found"))

    async def look() -> object:
        return next(found)

    assert await until(look, "a thing") == "found"


async def test_a_wait_in_which_nothing_happens_fails_and_names_what_it_waited_for() -> None:
    with pytest.raises(AssertionError, match=r"nothing happened for 0\.05 s while waiting for a thing"):
        await until(never, "a thing", patience=SHORT)


async def test_a_wait_goes_on_as_long_as_something_happens() -> None:
    rows = itertools.count()

    async def look() -> bool:
        await asyncio.sleep(SHORT / 2)
        return next(rows) > 8

    assert await until(look, "a thing", patience=SHORT, seen=lambda: next(rows))


async def test_a_text_that_changes_is_something_that_happens() -> None:
    left = 8

    async def look() -> bool:
        nonlocal left
        left -= 1
        await asyncio.sleep(SHORT / 2)
        return left == 0

    assert await until(look, lambda: f"{left} things", patience=2 * SHORT)


async def test_alternating_between_two_states_is_not_progress() -> None:
    states = itertools.cycle(("refused", "timed out"))

    with pytest.raises(AssertionError):
        await until(never, "a thing", patience=SHORT, seen=lambda: next(states))


async def test_a_look_that_hangs_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def hang() -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return True

    with pytest.raises(AssertionError, match="a thing"):
        await until(hang, "a thing", patience=SHORT)
    assert cancelled.is_set()


async def test_an_error_of_a_look_is_raised() -> None:
    async def fail() -> bool:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await until(fail, "a thing")


async def test_the_result_of_work_is_returned_and_its_error_raised() -> None:
    async def work(result: int) -> float:
        return 1 / result

    assert await finished(work(2), "a quotient") == 0.5
    with pytest.raises(ZeroDivisionError):
        await finished(work(0), "a quotient")


async def test_cancelling_a_wait_cancels_the_work() -> None:
    work = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(finished(work, "a thing"))
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.cancelled()


def test_patience_is_counted_by_the_share_of_the_machine() -> None:
    assert 0 < share_of_machine() <= 1


def test_patience_without_seconds_is_over_at_once() -> None:
    assert not Patience(0).is_left()


async def test_a_watch_counts_during_its_block() -> None:
    async with Watch().running() as watch:
        await asyncio.sleep(SHORT)

    counted = watch.seconds
    assert 0 < counted < 10
    await asyncio.sleep(SHORT)
    assert watch.seconds == counted


async def test_a_block_that_hangs_is_cancelled() -> None:
    with pytest.raises(AssertionError, match="a thing"):
        async with within("a thing", patience=SHORT):
            await asyncio.Event().wait()


async def test_a_timeout_of_the_block_itself_is_raised() -> None:
    with pytest.raises(TimeoutError, match="of its own"):
        async with within("a thing"):
            raise TimeoutError("of its own")
