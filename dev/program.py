"""A program that ends when this process ends, in whatever way.

Each program runs under its own guard (`dev.guard`), in its own session, so a terminal's Ctrl-C reaches only this
process, which then ends its programs in the right order. If it cannot (SIGKILL), the guard sees its pipe close and
kills the program with all descendants. A program belongs to no event loop: it may be started in one and stopped in
another.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dev.waiting import Patience

GUARD: Final = Path(__file__).with_name("guard.py")

POLL_SECONDS: Final = 0.01
FAREWELL_SECONDS: Final = 30.0  # how long a program with a farewell signal may clean up, on a busy machine


class ProgramError(Exception):
    """A program did not start, or did not end in time; the message ends with the tail of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run."""

    argv: Sequence[str | Path]
    log: Path
    """The program's output is appended to this file."""
    env: Mapping[str, str] | None = None
    """The whole environment; None means the one of this process."""
    cwd: Path | None = None
    user: str | None = None
    """The user to run it as; None means the user of this process."""
    farewell: signal.Signals = signal.SIGKILL
    """The signal that asks it to end for good; it is killed a little later if it has not ended."""

    @property
    def guarded(self) -> list[str]:
        """The command line that runs it under a guard."""
        options = ["--farewell", str(int(self.farewell)), str(FAREWELL_SECONDS)]
        if self.user is not None:
            options += ["--user", self.user]
        return [sys.executable, "-I", "-S", str(GUARD), *options, "--", *map(str, self.argv)]


class Program:
    """One run of a command, under its guard."""

    def __init__(self, command: Command, guard: subprocess.Popen[bytes], pid: int) -> None:
        self.command: Final = command
        self.name: Final = Path(command.argv[0]).name
        self.pid: Final = pid
        self._guard: Final = guard

    @classmethod
    async def start(cls, command: Command) -> Self:
        """Return the started program, which may not be ready yet.

        A start that is cancelled ends when all of it is gone.
        """
        with command.log.open("ab") as output:
            guard = subprocess.Popen(
                command.guarded,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=command.env,
                cwd=command.cwd,
                start_new_session=True,
                bufsize=0,
            )
        try:
            pid = await asyncio.to_thread(_read_line, guard)
        except BaseException:
            _close(guard)
            await asyncio.to_thread(guard.wait)
            raise
        return cls(command, guard, int(pid or 0))

    @property
    def returncode(self) -> int | None:
        """The exit status (128 + N when signal N ended it), or None while it runs."""
        return self._guard.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program, unless it has ended."""
        assert self._guard.stdin is not None
        if self.returncode is None:
            try:
                self._guard.stdin.write(bytes([number]))
            except BrokenPipeError:
                return

    async def wait(self, patience: float) -> int:
        """Return the exit status; raise ProgramError when nothing happens for *patience* seconds (`dev.waiting`).

        Something happens as long as the program writes to its log.
        """
        left = Patience(patience)
        while (status := self.returncode) is None:
            if not left.is_left(self.log_size()):
                text = f"{self.name} (pid {self.pid}) did not end, and wrote nothing for {patience:g} s"
                raise ProgramError(f"{text}\n{self.tail()}")
            await asyncio.sleep(POLL_SECONDS)
        _close(self._guard)
        return status

    async def stop(self, number: signal.Signals, patience: float) -> int:
        """Send signal *number* and return the exit status, as `wait` does."""
        self.send(number)
        return await self.wait(patience)

    async def kill(self) -> None:
        """SIGKILL the program; return when it and all its descendants are gone."""
        self.send(signal.SIGKILL)
        await self.end()

    async def end(self) -> None:
        """End the program for good, by its farewell signal; return when it and all its descendants are gone."""
        _close(self._guard)
        await self.wait(FAREWELL_SECONDS + 5)

    def check_alive(self) -> None:
        """Raise ProgramError if the program has ended."""
        if self.returncode is not None:
            raise ProgramError(f"{self.name} ended with status {self.returncode}\n{self.tail()}")

    def log_size(self) -> int:
        """Return how many bytes the log has."""
        return self.command.log.stat().st_size

    def tail(self, lines: int = 20) -> str:
        """Return the last *lines* of the log."""
        return "\n".join(self.command.log.read_text(errors="replace").splitlines()[-lines:])


def _read_line(guard: subprocess.Popen[bytes]) -> bytes:
    assert guard.stdout is not None
    with guard.stdout as stdout:
        return stdout.readline()


def _close(guard: subprocess.Popen[bytes]) -> None:
    """Close the pipe to *guard*, which then ends the program."""
    assert guard.stdin is not None
    guard.stdin.close()
