"""One service as a child process, and what it writes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

TETHER: Final = Path(__file__).with_name("tether.py")

_CHUNK: Final = 65_536
_MAX_LINE: Final = 262_144  # bytes; a longer one is cut into several


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What to run."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    """The whole environment; None: ours."""


class Child:
    """One run of a service, in a session of its own: a terminal's Ctrl-C reaches us, and we tell it."""

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
        self.pid: Final = process.pid
        self._process: Final = process
        self._reading: Final = asyncio.create_task(_hand_on(process, on_line))

    @classmethod
    async def start(cls, service: Service, on_line: Callable[[str], None]) -> Self:
        """Start *service*; *on_line* gets each line that it writes, to standard output or standard error."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(TETHER),
            str(os.getpid()),
            *service.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=service.env,
            start_new_session=True,
        )
        return cls(process, on_line)

    async def wait(self) -> int:
        """Return the exit code, negative for a signal, once the process has ended and its lines are handed on."""
        code = await self._process.wait()
        # A grandchild may still hold the pipe; its lines are not waited for.
        await asyncio.wait({self._reading}, timeout=1)
        self._reading.cancel()
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process has not ended."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


async def _hand_on(process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    async for line in lines_of(process.stdout):
        on_line(line)


async def lines_of(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Give what comes from *stream* line by line, without line breaks."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _MAX_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")
