"""One service of the platform as a process, started as its users start it."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from dev.ports import LOOPBACK
from dev.program import Command, Program
from tests.e2e.waiting import until

ROOT: Final = Path(__file__).parents[2]
KILLED: Final = 128 + signal.SIGKILL
STOP_SECONDS: Final = 40.0
START_SECONDS: Final = 60.0  # one to two on a quiet machine
_TAIL_LINES: Final = 40
_TAIL_WIDTH: Final = 400


class Service:
    """`python -m module`, which may be killed and started again; its log goes on in one file."""

    def __init__(
        self, name: str, module: str, *, environment: Mapping[str, str], folder: Path, ready_port: int
    ) -> None:
        self.name: Final = name
        self.module: Final = module
        self.environment: Final = dict(environment)
        self.log: Final = folder / f"{name}.log"
        self._ready_url: Final = f"http://{LOOPBACK}:{ready_port}/ready"
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        """The process that runs now, or ran last."""
        assert self._program is not None, f"{self.name} was never started"
        return self._program

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._program is not None and self._program.returncode is None

    async def start(self) -> None:
        """Start the process, which is then on its way to be ready."""
        assert not self.is_running, f"{self.name} runs already"
        command = Command(
            argv=[sys.executable, "-m", self.module],
            log=self.log,
            env={**self.environment, "PATH": os.environ["PATH"]},
            cwd=ROOT,
        )
        self._program = await Program.start(command)

    async def ready(self) -> None:
        """Return when `/ready` says that nothing is missing; fail if the process ends before."""
        await until(self._says_ready, lambda: f"{self.name} to be ready", seconds=START_SECONDS)

    async def kill(self) -> None:
        """`kill -9`; return when the process, and what it had started, is gone."""
        await self.program.kill()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        return await self.program.stop(signal.SIGTERM, STOP_SECONDS)

    async def ended(self, seconds: float = START_SECONDS) -> int:
        """Return the exit status, once the process has ended by itself."""
        return await self.program.wait(seconds)

    async def end(self) -> None:
        """End the process in whatever way is fast, if it runs."""
        if self.is_running:
            await self.program.end()

    def children(self) -> tuple[int, ...]:
        """Return the process ids of what the process has started, a terminator's workers for example."""
        found = Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children")
        return tuple(map(int, found.read_text().split())) if self.is_running and found.exists() else ()

    def records(self) -> list[dict[str, Any]]:
        """Return all that it has logged since its first start, one object a line; lines of other shape are left out."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def leaderships(self) -> list[tuple[str, int]]:
        """Return service and token of each lease on the outbox that it has held."""
        return [(each["service"], each["token"]) for each in self.records() if each.get("event") == "relay_leads"]

    def tail(self) -> str:
        """Return the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if self.log.exists() else []
        state = "runs" if self.is_running else "does not run"
        return "\n".join((f"{self.name} {state}", *(line[:_TAIL_WIDTH] for line in lines)))

    async def _says_ready(self) -> bool:
        self.program.check_alive()
        try:
            async with aiohttp.ClientSession() as session, session.get(self._ready_url) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


class Node(Service):
    """A terminator: a control process and its workers, at an address of its own."""

    def __init__(
        self, name: str, *, environment: Mapping[str, str], folder: Path, ready_port: int, address: str, https_port: int
    ) -> None:
        super().__init__(name, "services.terminator", environment=environment, folder=folder, ready_port=ready_port)
        self.address: Final = address
        self.https_port: Final = https_port

    def kill_worker(self, pid: int) -> None:
        """`kill -9` one of the workers that `children` has listed; it may have ended by itself."""
        if pid in self.children():
            os.kill(pid, signal.SIGKILL)
