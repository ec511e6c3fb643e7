"""One service of the platform as a process, started the way its users start it."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from dev.ports import LOOPBACK
from dev.program import Command, Program
from dev.waiting import Watch, until

ROOT: Final = Path(__file__).parents[2]
OUTLIVING: Final = ROOT / "tests" / "rig" / "chaos" / "launchers" / "outliving.py"
KILLED: Final = 128 + signal.SIGKILL
STOP_SECONDS: Final = 40.0
START_SECONDS: Final = 60.0  # one to two on a quiet machine
HANGING_SECONDS: Final = 60.0  # by the wall clock: after it, no answer is expected
PAGE_SECONDS: Final = 4.0  # a health check waits no longer (`shared.process.health_check`)


class Page(NamedTuple):
    """The answer to a health check."""

    status: int
    text: str


class Service:
    """`python -m module`, which may be killed and started again; all runs log to the same file.

    `tree` is the source tree that it is started from; another release's may be set.
    """

    def __init__(
        self, name: str, module: str, *, environment: Mapping[str, str], folder: Path, ready_port: int
    ) -> None:
        self.name: Final = name
        self.module: Final = module
        self.environment: Final = dict(environment)
        self.log: Final = folder / f"{name}.log"
        self._pages: Final = f"http://{LOOPBACK}:{ready_port}"
        self.tree = ROOT
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        """The running process, or the last one."""
        assert self._program is not None, f"{self.name} was never started"
        return self._program

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._program is not None and self._program.returncode is None

    @property
    def pid(self) -> int:
        """The id of the running process, or of the last one."""
        return self.program.pid

    async def start(self) -> None:
        """Start the process; it may not be ready yet."""
        assert not self.is_running, f"{self.name} runs already"
        self._program = await Program.start(self._command())

    async def ready(self) -> None:
        """Return when `/ready` answers that nothing is missing; fail if the process ends before that."""
        await until(self._says_ready, f"{self.name} to be ready", patience=START_SECONDS, seen=self._log_size)

    async def kill(self) -> None:
        """`kill -9`; return when the process and its children are gone."""
        await self.program.kill()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        return await self.program.stop(signal.SIGTERM, STOP_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    async def ended(self, patience: float = START_SECONDS) -> int:
        """Return the exit status, once the process has ended by itself."""
        return await self.program.wait(patience)

    async def end(self) -> None:
        """End the process in the quickest way, if it runs."""
        if self.is_running:
            await self.program.end()

    async def page(self, name: str) -> Page:
        """Return the answer of `/live` or `/ready`, whichever *name* says.

        Raises:
            aiohttp.ClientError: the process does not listen.
            TimeoutError: it did not answer within the time that a health check allows.
        """
        patience = aiohttp.ClientTimeout(total=HANGING_SECONDS)
        async with (
            Watch().running() as watch,
            aiohttp.ClientSession(timeout=patience) as session,
            session.get(f"{self._pages}/{name}") as answer,
        ):
            page = Page(answer.status, await answer.text())
        if watch.seconds > PAGE_SECONDS:
            raise TimeoutError(f"{self.name} answered {name} after {watch.seconds:.1f} s")
        return page

    def children(self) -> tuple[int, ...]:
        """Return the ids of the child processes, a terminator's workers for example."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return tuple(map(int, found.read_text().split())) if self.is_running and found.exists() else ()

    def records(self) -> list[dict[str, Any]]:
        """Return all JSON lines that it has logged since its first start, parsed; other lines are left out."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def leaderships(self) -> list[tuple[str, int]]:
        """Return service and token of each relay's lease that it has held."""
        return [(each["service"], each["token"]) for each in self.records() if each.get("event") == "relay_leads"]

    def _command(self, *before: str | Path) -> Command:
        return Command(
            argv=[*before, sys.executable, "-m", self.module],
            log=self.log,
            env={**self.environment, "PATH": os.environ["PATH"]},
            cwd=self.tree,
        )

    def _log_size(self) -> int:
        return self.program.log_size()

    async def _says_ready(self) -> bool:
        assert self.is_running, f"{self.name} ended before it was ready"
        try:
            return (await self.page("ready")).status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


class Node(Service):
    """A terminator at its own address: a control process, and workers that keep running when it is killed."""

    def __init__(
        self, name: str, *, environment: Mapping[str, str], folder: Path, ready_port: int, address: str, https_port: int
    ) -> None:
        super().__init__(name, "services.terminator", environment=environment, folder=folder, ready_port=ready_port)
        self.address: Final = address
        self.https_port: Final = https_port
        self._state: Final = folder / f"{name}.state"
        self._left_behind: Final[list[Program]] = []

    @property
    def pid(self) -> int:
        """The id of the running control process, or of the last one."""
        return self._says()[0]

    @property
    def is_running(self) -> bool:
        """Whether the control process is alive."""
        return super().is_running and len(self._says()) == 1

    async def start(self) -> None:
        """Start the control process; it may not be ready yet."""
        assert not self.is_running, f"{self.name} runs already"
        if self._program is not None:
            self._left_behind.append(self._program)
        self._state.unlink(missing_ok=True)
        self._program = await Program.start(self._command(sys.executable, "-I", "-S", OUTLIVING, self._state))
        await until(self._has_begun, f"{self.name} to begin")

    async def kill(self) -> None:
        """`kill -9` the control process; return when it is gone. Its workers get no signal."""
        os.kill(self.pid, signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """Send SIGTERM to the control process and return its exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.ended(STOP_SECONDS)

    async def ended(self, patience: float = START_SECONDS) -> int:
        """Return the control process's exit status, once it has exited."""
        await until(self._has_ended, f"{self.name} to end", patience=patience, seen=self._log_size)
        return self._says()[1]

    async def end(self) -> None:
        """End all its processes in the quickest way."""
        for program in (*self._left_behind, *([self._program] if self._program else [])):
            await program.end()

    def kill_worker(self, pid: int) -> None:
        """`kill -9` one of the workers that `children` has listed; it may have exited by itself already."""
        if pid in self.children():
            os.kill(pid, signal.SIGKILL)

    def _says(self) -> list[int]:
        """Return the process id and, if it has exited, the exit status; an empty list before it has started."""
        return [int(line) for line in self._state.read_text().split()] if self._state.exists() else []

    async def _has_begun(self) -> bool:
        return bool(self._says())

    async def _has_ended(self) -> bool:
        return len(self._says()) == 2
