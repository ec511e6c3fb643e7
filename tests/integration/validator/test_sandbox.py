"""Sandbox processes: whatever an upload does to one, the next finds another, and slow uploads delay no other."""

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
from services.validator.sandbox.pool import SandboxPool, TooManySlowError, open_sandbox_pool
from services.validator.sandbox.process import (
    SandboxEndedError,
    SandboxNotStartedError,
    SandboxProcess,
    TookTooLongError,
)
from tests.rig.processes import until
from tests.rig.validator.odd_sandbox import COMMAND

KEY = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
DIES = "import services.validator.sandbox.inside.process as process, sys; sys.exit(3)"
LIES = "import socket, sys, time; socket.socket(fileno=int(sys.argv[1])).sendall(bytes(99)); time.sleep(60)"


def assignment(bundle: str, key: bytes = KEY) -> messages.Assignment:
    return messages.Assignment(bundle=bundle.encode(), key=key, at=time.time())


async def ask(pool: SandboxPool, bundle: str, key: bytes = KEY) -> messages.Answer:
    return await pool.judge(assignment(bundle, key), on_slow=lambda _seconds: None)


@asynccontextmanager
async def odd_pool(*, seconds: float = 1.0) -> AsyncIterator[SandboxPool]:
    """Yield a pool for one quick upload, whose processes do what a bundle says."""
    async with open_sandbox_pool(count=1, seconds=seconds, command=COMMAND) as pool:
        yield pool


async def test_the_answer_on_a_good_upload_has_the_chain_and_the_key_to_store(authority: Authority) -> None:
    issued = authority.issue("shop.example.com")

    async with open_sandbox_pool(count=1, seconds=5) as pool:
        answer = await ask(pool, issued.bundle_pem, issued.key_pem.encode())

    assert isinstance(answer, messages.Accepted)
    assert len(answer.chain) == 2
    assert answer.key == pkcs8(issued.key)


async def test_an_upload_that_never_ends_is_killed_at_its_limit_of_processor_time() -> None:
    async with odd_pool(seconds=0.3) as pool:
        with pytest.raises(TookTooLongError):
            await ask(pool, "spin 3600")

        assert isinstance(await ask(pool, "nothing"), messages.Rejected)


async def test_an_upload_that_sleeps_for_ever_is_killed() -> None:
    async with odd_pool(seconds=0.1) as pool:
        with pytest.raises(SandboxEndedError, match="not answered"):
            await ask(pool, "sleep")

        assert isinstance(await ask(pool, "nothing"), messages.Rejected)


async def test_a_crashed_process_is_replaced() -> None:
    async with odd_pool() as pool:
        with pytest.raises(SandboxEndedError, match=str(-signal.SIGSEGV)):
            await ask(pool, "crash")

        assert isinstance(await ask(pool, "nothing"), messages.Rejected)


async def test_an_upload_cannot_use_more_memory_than_allowed() -> None:
    async with odd_pool() as pool:
        answer = await ask(pool, "grow")

        assert isinstance(answer, messages.Failed)
        assert answer.error == "MemoryError"
        assert isinstance(await ask(pool, "nothing"), messages.Rejected)


async def test_a_failure_names_the_lines_of_code_and_quotes_no_key() -> None:
    async with odd_pool() as pool:
        answer = await ask(pool, "fail")

    assert isinstance(answer, messages.Failed)
    assert answer.error == "ValueError"
    assert answer.places[-1].startswith("odd_sandbox.py:")
    assert "c2VjcmV0" not in repr(answer)


async def test_a_process_that_failed_judges_no_other_upload() -> None:
    async with odd_pool() as pool:
        assert isinstance(await ask(pool, "fail"), messages.Failed)

        assert isinstance(await ask(pool, "nothing"), messages.Rejected)


async def test_a_process_cannot_write_a_file(tmp_path: Path) -> None:
    async with odd_pool() as pool:
        answer = await ask(pool, f"write {tmp_path / 'key'}")

    assert isinstance(answer, messages.Failed)
    assert answer.error == "OSError"
    assert not (tmp_path / "key").read_bytes()


async def test_a_process_inherits_no_environment_and_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALIDATOR_DATABASE_URL", "postgresql://validator:password@db/certsmith")
    sandbox = await SandboxProcess.start(seconds=1)
    try:
        environment = Path(f"/proc/{sandbox.pid}/environ").read_bytes()
        files = {os.path.realpath(each) for each in Path(f"/proc/{sandbox.pid}/fd").iterdir()}
    finally:
        await sandbox.end()

    assert [each.partition(b"=")[0] for each in environment.split(b"\0") if each] == [b"PYTHONPATH"]
    assert {file for file in files if "socket:" not in file} == {"/dev/null"}
    assert len([file for file in files if "socket:" in file]) == 1


async def test_quick_uploads_are_judged_while_a_slow_one_runs_at_a_low_priority() -> None:
    async with odd_pool(seconds=30) as pool:
        slow = asyncio.Event()
        running = asyncio.create_task(pool.judge(assignment("spin 3600"), on_slow=lambda _: slow.set()))
        await slow.wait()

        assert isinstance(await ask(pool, "nothing"), messages.Rejected)
        priorities = [priority for each in pool._living for priority in priorities_of(each.pid)]
        assert 10 in priorities
        assert not running.done()
        running.cancel()


async def test_only_some_slow_uploads_run_at_once_and_room_is_kept_for_retried_ones() -> None:
    async with odd_pool(seconds=30) as pool:
        slow = asyncio.Event()
        running = [asyncio.create_task(pool.judge(assignment("spin 3600"), on_slow=lambda _: slow.set()))]
        await slow.wait()
        slow.clear()
        with pytest.raises(TooManySlowError):
            await ask(pool, "spin 3600")
        living = set(pool._living)
        assert isinstance(await ask(pool, "nothing"), messages.Rejected)
        assert pool._living >= living  # the process that gave it up lives on

        running.append(asyncio.create_task(pool.judge_slow(assignment("spin 3600"), on_slow=lambda _: slow.set())))
        await slow.wait()
        with pytest.raises(TooManySlowError):
            await pool.judge_slow(assignment("spin 3600"), on_slow=lambda _: None)
        assert isinstance(await ask(pool, "nothing"), messages.Rejected)
        for task in running:
            task.cancel()


async def test_a_lowered_priority_is_not_inherited_by_the_next_upload() -> None:
    async with odd_pool(seconds=30) as pool:
        await ask(pool, "spin 0.2")
        pids = {each.pid for each in pool._living}
        await ask(pool, "nothing")

        assert {each.pid for each in pool._living} >= pids
        await until(
            lambda: {priority for pid in pids for priority in priorities_of(pid)} == {0}, "the end of the slow thread"
        )


@pytest.mark.parametrize("program", [DIES, LIES])
async def test_a_program_that_does_not_speak_the_protocol_is_not_started(program: str) -> None:
    with pytest.raises(SandboxNotStartedError):
        await SandboxProcess.start(seconds=1, command=(sys.executable, "-c", program))


async def test_a_process_dies_with_the_process_that_started_it() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rig.validator.odd_parent", stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    await until(lambda: not is_running(pid), "the end of the sandbox process")


def priorities_of(pid: int) -> list[int]:
    """Return the nice value of each thread."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int((thread / "stat").read_text().rpartition(")")[2].split()[16]) for thread in threads]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
