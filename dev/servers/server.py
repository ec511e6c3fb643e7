"""The base class of all private servers: it has a folder, runs a program, waits until it is ready, and stops it."""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from dev.program import POLL_SECONDS, Command, Program, ProgramError
from dev.waiting import Patience

START_SECONDS: Final = 60.0  # RabbitMQ takes 5 on a quiet machine, the others a fraction of one


class Server(ABC):
    """A private server, which may be stopped and started again on its ports."""

    name: str
    ports: tuple[int, ...]
    """All ports that it listens on, at 127.0.0.1 only."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        """The folder of its data."""
        self._program: Program | None = None

    @abstractmethod
    def _command(self) -> Command:
        """Return the command that runs it."""

    @abstractmethod
    async def _is_ready(self) -> bool:
        """Whether clients are served."""

    async def resume(self) -> None:
        """Start the server on its previous ports and data; return when it serves clients."""
        self._program = await Program.start(self._command())
        try:
            await self._until_ready(self._program)
        except BaseException:
            await self.end()
            raise

    async def _until_ready(self, program: Program) -> None:
        left = Patience(START_SECONDS)
        while not await self._is_ready():
            program.check_alive()
            if not left.is_left(program.log_size()):
                text = f"{self.name} does not serve, and wrote nothing for {START_SECONDS:g} s"
                raise ProgramError(f"{text}\n{program.tail()}")
            await asyncio.sleep(2 * POLL_SECONDS)

    async def kill(self) -> None:
        """SIGKILL the server; return when all its processes are gone."""
        await self.program.kill()

    def freeze(self) -> None:
        """Make the server hang: the kernel still accepts connections for it, and they get no answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server continue."""
        self._signal(signal.SIGCONT)

    async def end(self) -> None:
        """End the server for good in the quickest way: its data is no longer needed."""
        if self._program is not None:
            await self._program.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    @property
    def program(self) -> Program:
        """The running process, or the last one."""
        assert self._program is not None
        return self._program

    @property
    def log(self) -> Path:
        """The file with its log since its first start."""
        return self.folder / f"{self.name}.log"

    def log_text(self) -> str:
        """Return its log since its first start."""
        return self.log.read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        """Send *number* to every process of the server."""
        for pid in _family(self.program.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _family(pid: int) -> Iterator[int]:
    """Yield *pid* and the ids of all its descendants, parents first: a stopped process starts no children."""
    yield pid
    with suppress(FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))
