"""Judges: whatever an upload does to one, the next upload finds another, and what is slow is in nobody's way."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dev.platform.customer_ca import Authority, pkcs8
from services.validator.sandbox import messages
from services.validator.sandbox.pool import Judges, TooManySlowError, open_judges
from services.validator.sandbox.process import Judge, JudgeEndedError, JudgeNotStartedError, TookTooLongError
from tests.rig.processes import until
from tests.rig.validator.odd_judge import COMMAND

KEY = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
DIES = "import services.validator.sandbox.inside.process as process, sys; sys.exit(3)"
LIES = "import socket, sys, time; socket.socket(fileno=int(sys.argv[1])).sendall(bytes(99)); time.sleep(60)"


def assignment(bundle: str, key: bytes = KEY) -> messages.Assignment:
    return messages.Assignment(bundle=bundle.encode(), key=key, at=time.time())


async def ask(judges: Judges, bundle: str, key: bytes = KEY) -> messages.Opinion:
    return await judges.judge(assignment(bundle, key), on_slow=lambda _seconds: None)


@asynccontextmanager
async def odd_judges(*, seconds: float = 1.0) -> AsyncIterator[Judges]:
    """Give one judge that does what a bundle says."""
    async with open_judges(count=1, seconds=seconds, command=COMMAND) as judges:
        yield judges


async def test_an_ordinary_upload_gets_an_opinion_with_all_that_is_stored_of_it(authority: Authority) -> None:
    issued = authority.issue("shop.example.com")

    async with open_judges(count=1, seconds=5) as judges:
        opinion = await ask(judges, issued.bundle_pem, issued.key_pem.encode())

    assert isinstance(opinion, messages.Accepted)
    assert len(opinion.chain) == 2
    assert opinion.key == pkcs8(issued.key)


async def test_one_that_never_ends_is_ended_when_its_processor_time_is_over() -> None:
    async with odd_judges(seconds=0.3) as judges:
        with pytest.raises(TookTooLongError):
            await ask(judges, "spin 3600")

        assert isinstance(await ask(judges, "nothing"), messages.Rejected)


async def test_one_that_waits_for_ever_is_not_waited_for() -> None:
    async with odd_judges(seconds=0.1) as judges:
        with pytest.raises(JudgeEndedError, match="not answered"):
            await ask(judges, "sleep")

        assert isinstance(await ask(judges, "nothing"), messages.Rejected)


async def test_one_that_crashes_its_judge_has_another_judge_after_it() -> None:
    async with odd_judges() as judges:
        with pytest.raises(JudgeEndedError, match=str(-signal.SIGSEGV)):
            await ask(judges, "crash")

        assert isinstance(await ask(judges, "nothing"), messages.Rejected)


async def test_one_that_wants_too_much_memory_does_not_get_it() -> None:
    async with odd_judges() as judges:
        opinion = await ask(judges, "grow")

        assert isinstance(opinion, messages.Failed)
        assert opinion.error == "MemoryError"
        assert isinstance(await ask(judges, "nothing"), messages.Rejected)


async def test_a_failure_says_where_and_nothing_of_the_key() -> None:
    async with odd_judges() as judges:
        opinion = await ask(judges, "fail")

    assert isinstance(opinion, messages.Failed)
    assert opinion.error == "ValueError"
    assert opinion.places[-1].startswith("odd_judge.py:")
    assert "c2VjcmV0" not in repr(opinion)


async def test_a_judge_that_has_failed_judges_no_other() -> None:
    async with odd_judges() as judges:
        assert isinstance(await ask(judges, "fail"), messages.Failed)

        assert isinstance(await ask(judges, "nothing"), messages.Rejected)


async def test_a_judge_can_write_no_file(tmp_path: Path) -> None:
    async with odd_judges() as judges:
        opinion = await ask(judges, f"write {tmp_path / 'key'}")

    assert isinstance(opinion, messages.Failed)
    assert opinion.error == "OSError"
    assert not (tmp_path / "key").read_bytes()


async def test_a_judge_has_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALIDATOR_DATABASE_URL", "postgresql://validator:password@db/certsmith")
    judge = await Judge.start(seconds=1)
    try:
        environment = Path(f"/proc/{judge.pid}/environ").read_bytes()
        files = {os.path.realpath(each) for each in Path(f"/proc/{judge.pid}/fd").iterdir()}
    finally:
        await judge.end()

    assert [each.partition(b"=")[0] for each in environment.split(b"\0") if each] == [b"PYTHONPATH"]
    assert {file for file in files if "socket:" not in file} == {"/dev/null"}
    assert len([file for file in files if "socket:" in file]) == 1


async def test_quick_ones_go_on_while_a_slow_one_runs_at_a_low_priority() -> None:
    async with odd_judges(seconds=30) as judges:
        slow = asyncio.Event()
        running = asyncio.create_task(judges.judge(assignment("spin 3600"), on_slow=lambda _: slow.set()))
        await slow.wait()

        assert isinstance(await ask(judges, "nothing"), messages.Rejected)
        priorities = [priority for judge in judges._living for priority in priorities_of(judge.pid)]
        assert 10 in priorities
        assert not running.done()
        running.cancel()


async def test_of_what_is_slow_only_so_many_run_at_once_and_some_of_those_that_came_back() -> None:
    async with odd_judges(seconds=30) as judges:
        slow = asyncio.Event()
        running = [asyncio.create_task(judges.judge(assignment("spin 3600"), on_slow=lambda _: slow.set()))]
        await slow.wait()
        slow.clear()
        with pytest.raises(TooManySlowError):
            await ask(judges, "spin 3600")
        living = set(judges._living)
        assert isinstance(await ask(judges, "nothing"), messages.Rejected)
        assert judges._living >= living  # who gave it up goes on

        running.append(asyncio.create_task(judges.judge_slow(assignment("spin 3600"), on_slow=lambda _: slow.set())))
        await slow.wait()
        with pytest.raises(TooManySlowError):
            await judges.judge_slow(assignment("spin 3600"), on_slow=lambda _: None)
        assert isinstance(await ask(judges, "nothing"), messages.Rejected)
        for task in running:
            task.cancel()


async def test_a_priority_that_was_lowered_for_one_upload_is_not_the_next_ones() -> None:
    async with odd_judges(seconds=30) as judges:
        await ask(judges, "spin 0.2")
        pids = {judge.pid for judge in judges._living}
        await ask(judges, "nothing")

        assert {judge.pid for judge in judges._living} >= pids
        await until(
            lambda: {priority for pid in pids for priority in priorities_of(pid)} == {0}, "the end of the slow thread"
        )


@pytest.mark.parametrize("program", [DIES, LIES])
async def test_a_program_that_is_no_judge_is_not_taken_for_one(program: str) -> None:
    with pytest.raises(JudgeNotStartedError):
        await Judge.start(seconds=1, command=(sys.executable, "-c", program))


async def test_a_judge_ends_with_the_process_that_started_it() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rig.validator.odd_parent", stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    judge = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    await until(lambda: not is_running(judge), "the end of the judge")


def priorities_of(pid: int) -> list[int]:
    """Return the nice value of each thread."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int((thread / "stat").read_text().rpartition(")")[2].split()[16]) for thread in threads]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
