"""The visitors, in a process of their own: `python -m tests.rig.load.client PLAN`, where PLAN is a JSON file.

There are two kinds of visitors: some stay connected and keep sending, and a fixed number of new ones arrives every
second, while fewer than `_AT_ONCE` of them are unfinished. Each verifies chain and
name, gets an answer, and closes its connection gracefully. New ones alternate between nodes and TLS versions, and every
other one tries to resume a session.

The file `ready` of the plan is written once all visitors that stay are connected. After SIGTERM every visitor finishes,
and then the report is written.
"""

import asyncio
import itertools
import json
import os
import signal
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import uvloop
from cryptography import x509

from tests.rig.load.connection import Connection, UnexpectedEndError

_TICK_SECONDS: Final = 0.005
_TALK_SECONDS: Final = 0.2  # between two lines of a visitor that stays
_AT_ONCE: Final = 400  # new visitors that are not done; two seconds' worth of them
_VERSIONS: Final = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)
_FAILURES: Final = (OSError, ssl.SSLError, TimeoutError, UnexpectedEndError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The load: how many visitors connect, how often, and to which nodes."""

    host: str
    answer: str
    """The prefix of each line that the upstream sends back."""
    roots: str
    rate: int
    staying: int
    places: tuple[Place, ...]
    ready: str
    report: str

    @classmethod
    def read(cls, file: Path) -> "Plan":
        """Return the plan in *file*."""
        data: dict[str, Any] = json.loads(file.read_text())
        return cls(**{**data, "places": tuple(Place(**place) for place in data["places"])})


@dataclass(slots=True)
class Record:
    """The results; a handshake is (node, when, serial number, TLS version, whether it was resumed)."""

    handshakes: list[tuple[str, float, str, str, bool]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lines: dict[int, int] = field(default_factory=dict)
    """How many lines each visitor that stays has exchanged."""
    visits: int = 0
    """How many new visitors connected and finished."""
    seconds: float = 0.0
    """From the first new visitor to the last."""
    idle: float = 0.0
    """The share of the machine's time that was idle meanwhile."""


class Crowd:
    """All visitors."""

    def __init__(self, plan: Plan) -> None:
        self._plan: Final = plan
        self._contexts: Final = {version: _trust(plan.roots, version) for version in _VERSIONS}
        self._sessions: Final[dict[tuple[str, ssl.TLSVersion], ssl.SSLSession | None]] = {}
        self.record: Final = Record()

    async def come(self, stop: asyncio.Event) -> None:
        """Come and stay, come and go, until *stop* is set."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._plan.staying):
                tasks.create_task(self._stay(number, stop))
            while len(self.record.lines) < self._plan.staying and not self.record.failures and not stop.is_set():
                await asyncio.sleep(_TICK_SECONDS)
            Path(self._plan.ready).touch()
            await self._arrive(tasks, stop)

    async def _arrive(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Start a new visitor whenever one is due, at once if it is late."""
        started, idle = time.monotonic(), _idle_seconds()
        turns = itertools.cycle(itertools.product((False, True), _VERSIONS, self._plan.places))
        came = 0
        while not stop.is_set():
            due = (time.monotonic() - started) * self._plan.rate
            while came < due and came - self.record.visits < _AT_ONCE:
                resuming, version, place = next(turns)
                tasks.create_task(self._visit(place, version, resuming=resuming))
                came += 1
            await asyncio.sleep(_TICK_SECONDS)
        self.record.seconds = time.monotonic() - started
        self.record.idle = (_idle_seconds() - idle) / self.record.seconds / (os.cpu_count() or 1)

    async def _stay(self, number: int, stop: asyncio.Event) -> None:
        place, version = self._plan.places[number % len(self._plan.places)], _VERSIONS[number % len(_VERSIONS)]
        try:
            connection = await self._enter(place, version, None)
            self.record.lines[number] = 0
            try:
                while not stop.is_set():
                    await self._talk(connection, self.record.lines[number])
                    self.record.lines[number] += 1
                    await asyncio.sleep(_TALK_SECONDS)
                await connection.close()
            finally:
                connection.abort()
        except _FAILURES as error:
            self._failed("who stays", place, version, error)

    async def _visit(self, place: Place, version: ssl.TLSVersion, *, resuming: bool) -> None:
        session = self._sessions.get((place.name, version)) if resuming else None
        try:
            connection = await self._enter(place, version, session)
            try:
                await self._talk(connection, len(self.record.handshakes))
                self._sessions[place.name, version] = connection.tls.session
                await connection.close()
            finally:
                connection.abort()
        except _FAILURES as error:
            self._failed("a new one" if session is None else "a returning one", place, version, error)
        else:
            self.record.visits += 1

    async def _enter(self, place: Place, version: ssl.TLSVersion, session: ssl.SSLSession | None) -> Connection:
        connection = await Connection.open(
            place.address, place.port, context=self._contexts[version], host=self._plan.host, session=session
        )
        await connection.shake_hands()
        leaf = connection.tls.getpeercert(binary_form=True)
        assert leaf is not None
        self.record.handshakes.append(
            (
                place.name,
                connection.greeted_at,
                _serial_number(leaf),
                connection.tls.version() or "",
                bool(connection.tls.session_reused),
            )
        )
        return connection

    async def _talk(self, connection: Connection, number: int) -> None:
        line = b"%d\n" % number
        answer = await connection.ask(line)
        if answer != self._plan.answer.encode() + line:
            raise UnexpectedEndError(f"{answer!r} came back for {line!r}")

    def _failed(self, who: str, place: Place, version: ssl.TLSVersion, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self.record.failures.append(f"{who} at {place.name} by {version.name}, {time.monotonic():.3f}: {reason}")


def _trust(roots: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=roots)
    context.minimum_version = context.maximum_version = version
    return context


def _idle_seconds() -> float:
    """Return for how long this machine's processors have had nothing to do, all together (proc(5), /proc/stat)."""
    times = Path("/proc/stat").read_text().split(maxsplit=6)
    return (int(times[4]) + int(times[5])) / os.sysconf("SC_CLK_TCK")


@lru_cache
def _serial_number(leaf: bytes) -> str:
    return f"{x509.load_der_x509_certificate(leaf).serial_number:x}"


async def main() -> None:
    """Do as the plan says until SIGTERM."""
    plan = Plan.read(Path(sys.argv[1]))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    crowd = Crowd(plan)
    await crowd.come(stop)
    Path(plan.report).write_text(json.dumps(asdict(crowd.record)))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
