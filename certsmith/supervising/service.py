"""One service as a child process, and its output."""

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
_MAX_LINE: Final = 262_144  # bytes; a longer line is split


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The command of a service and its environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    """The whole environment; None means the one of this process."""


class Child:
    """One run of a service, in a session of its own: Ctrl-C reaches only this process, which then stops the child."""

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
        self.pid: Final = process.pid
        self._process: Final = process
        self._reading: Final = asyncio.create_task(_pass_on(process, on_line))

    @classmethod
    async def start(cls, service: Service, on_line: Callable[[str], None]) -> Self:
        """Start *service*; *on_line* gets each line of its standard output and standard error."""
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
        """Return the exit code, negative for a signal, once the process has exited and its lines are passed on."""
        code = await self._process.wait()
        # A grandchild may still hold the pipe open; do not wait for its lines.
        await asyncio.wait({self._reading}, timeout=1)
        self._reading.cancel()
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has exited."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


async def _pass_on(process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    async for line in lines_of(process.stdout):
        on_line(line)


async def lines_of(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield *stream* line by line, without line breaks."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _MAX_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")
