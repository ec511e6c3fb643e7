"""Load: visitors in a process of their own (`load_client`), and what they have seen."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from dev.platform.platform import Platform
from dev.platform.service import ROOT, Node
from dev.program import Command, Program
from dev.waiting import until
from tests.rig.load.client import Place, Plan

RATE: Final = 200  # new connections a second
STAYING: Final = 60
_STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """A verified handshake; *at* is when it began, by the clock that all processes of a machine share."""

    node: str
    at: float
    serial_number: str
    tls_version: str
    is_resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The visitors' results."""

    handshakes: tuple[Handshake, ...]
    failures: tuple[str, ...]
    lines: tuple[int, ...]
    """How many lines each visitor that stayed has exchanged."""
    visits: int
    """How many new visitors connected and finished."""
    seconds: float
    idle: float
    """The share of the machine's time that was idle meanwhile."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return what the client has written."""
        data = json.loads(file.read_text())
        fields = ("node", "at", "serial_number", "tls_version", "is_resumed")
        return cls(
            handshakes=tuple(Handshake(**dict(zip(fields, values, strict=True))) for values in data["handshakes"]),
            failures=tuple(data["failures"]),
            lines=tuple(data["lines"].values()),
            visits=data["visits"],
            seconds=data["seconds"],
            idle=data["idle"],
        )

    def __str__(self) -> str:
        resumed = sum(handshake.is_resumed for handshake in self.handshakes)
        return (
            f"{self.rate:.0f} new connections a second ({self.visits} in {self.seconds:.1f} s, {resumed} resumed), "
            f"{len(self.lines)} open ones with {sum(self.lines)} lines; {len(self.failures)} failed; "
            f"{self.idle:.0%} of the machine idle"
        )

    @property
    def rate(self) -> float:
        """New connections a second, on average."""
        return self.visits / self.seconds


class Load:
    """Visitors that come until `stop`."""

    def __init__(self, program: Program, report: Path) -> None:
        self._program: Final = program
        self._report: Final = report

    async def stop(self) -> Report:
        """Let everybody finish; return what they have seen."""
        self._program.check_alive()
        status = await self._program.stop(signal.SIGTERM, _STOP_SECONDS)
        assert status == 0, self._program.tail()
        return Report.read(self._report)


@asynccontextmanager
async def load_on(
    platform: Platform,
    host: str,
    nodes: Sequence[Node],
    *,
    staying: int = STAYING,
    rate: int = RATE,
    trusting: bytes = b"",
) -> AsyncIterator[Load]:
    """Yield visitors of *host* at *nodes*: *staying* ones are connected, and *rate* new ones come each second.

    They trust the CA's root and the roots in *trusting* (PEM).
    """
    files = {name: platform.folder / f"load.{name}" for name in ("plan", "ready", "report", "log")}
    plan = Plan(
        host=host,
        answer=f"{platform.name}: ",
        roots=(platform.roots + trusting).decode(),
        rate=rate,
        staying=staying,
        places=tuple(Place(name=node.name, address=node.address, port=node.https_port) for node in nodes),
        ready=str(files["ready"]),
        report=str(files["report"]),
    )
    files["plan"].write_text(json.dumps(asdict(plan)))
    command = Command(
        argv=[sys.executable, "-m", "tests.rig.load.client", files["plan"]],
        log=files["log"],
        env={"PATH": os.environ["PATH"]},
        cwd=ROOT,
    )
    program = await Program.start(command)

    async def is_ready() -> bool:
        program.check_alive()
        return files["ready"].exists()

    try:
        await until(is_ready, "all visitors that stay to be connected")
        yield Load(program, files["report"])
    finally:
        await program.end()
