"""A guarded program ends with its guard, and with the process that started the guard."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.program import GUARD, Command, Program, ProgramError

DEADLINE_SECONDS = 20.0

# A program that leaves a daemon behind, as Erlang's does, and says the daemon's process id.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
{then}
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


async def test_processes_that_a_program_leaves_behind_end_with_it(log: Path) -> None:
    program = await Program.start(Command(argv=_python(DAEMON.format(then="sys.exit(3)")), log=log))

    assert await program.wait(DEADLINE_SECONDS) == 3

    assert not _runs(int(log.read_text()))


async def test_the_daemon_of_a_killed_program_is_killed_too(log: Path) -> None:
    program = await Program.start(Command(argv=_python(DAEMON.format(then="time.sleep(600)")), log=log))
    _wait_until(lambda: log.read_text().endswith("\n"))

    await program.kill()

    assert program.returncode == 128 + signal.SIGKILL
    assert not _runs(program.pid)
    assert not _runs(int(log.read_text()))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_the_program_of_a_guard_that_is_ended_ends_too(how: signal.Signals) -> None:
    guard = _guard(["sleep", "600"])
    program = int(_first_line(guard))

    guard.send_signal(how)

    guard.wait(DEADLINE_SECONDS)
    _wait_until(lambda: not _runs(program))
    _close(guard)


async def test_a_program_ends_when_its_starter_closes_the_pipe() -> None:
    guard = _guard(["sleep", "600"])
    program = int(_first_line(guard))

    _close(guard)

    guard.wait(DEADLINE_SECONDS)
    assert not _runs(program)


async def test_the_farewell_lets_a_program_clean_up(log: Path) -> None:
    script = 'import signal, sys, time\nsignal.signal(signal.SIGQUIT, lambda *_: sys.exit("clean"))\n'
    script += 'print("ready", flush=True)\ntime.sleep(600)'
    program = await Program.start(Command(argv=_python(script), log=log, farewell=signal.SIGQUIT))
    _wait_until(lambda: "ready" in log.read_text())

    await program.end()

    assert log.read_text() == "ready\nclean\n"


async def test_a_cancelled_start_leaves_no_process_behind(log: Path) -> None:
    before = _children()
    starting = asyncio.create_task(Program.start(Command(argv=["sleep", "600"], log=log, farewell=signal.SIGTERM)))
    await asyncio.sleep(0)  # its guard runs by now, and has said nothing yet
    guards = _children() - before

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert len(guards) == 1
    assert not any(_runs(guard) for guard in guards)


async def test_a_program_gets_the_signals_that_are_sent(log: Path) -> None:
    program = await Program.start(Command(argv=["sleep", "600"], log=log))

    assert await program.stop(signal.SIGTERM, DEADLINE_SECONDS) == 128 + signal.SIGTERM

    program.send(signal.SIGTERM)  # the program has ended; nothing happens
    await program.end()


async def test_a_program_that_is_slow_to_end_is_reported_with_its_log(log: Path) -> None:
    script = 'import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print("not yet", flush=True))\n'
    script += 'print("ready", flush=True)\nwhile True: time.sleep(600)'
    program = await Program.start(Command(argv=_python(script), log=log))
    _wait_until(lambda: "ready" in log.read_text())

    with pytest.raises(ProgramError, match=r"did not end, and wrote nothing for 0\.2 s\nready\nnot yet"):
        await program.stop(signal.SIGTERM, 0.2)
    await program.kill()


async def test_a_missing_program_is_named(log: Path) -> None:
    program = await Program.start(Command(argv=["/nowhere/at-all"], log=log))

    assert await program.wait(DEADLINE_SECONDS) == 127

    assert log.read_text() == "cannot run /nowhere/at-all: [Errno 2] No such file or directory\n"


async def test_a_program_has_the_environment_and_folder_that_it_is_given(tmp_path: Path, log: Path) -> None:
    script = "import os; print(os.environ['ONLY'], 'HOME' in os.environ, os.getcwd())"
    program = await Program.start(Command(argv=_python(script), log=log, env={"ONLY": "this"}, cwd=tmp_path))

    assert await program.wait(DEADLINE_SECONDS) == 0

    assert log.read_text() == f"this False {tmp_path}\n"


def _python(script: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", script]


def _guard(argv: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(GUARD), "--", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _first_line(guard: "subprocess.Popen[bytes]") -> bytes:
    assert guard.stdout
    with guard.stdout as output:
        return output.readline()


def _close(guard: "subprocess.Popen[bytes]") -> None:
    assert guard.stdin
    guard.stdin.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def _children() -> set[int]:
    return {int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
