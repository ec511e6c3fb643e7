"""Reads by name, many names in one query.

One query runs at a time, for all names that were asked for during the one before. A caller that asks for a name that is
already being read shares that read. So the load on the store is bounded, whatever strangers ask for, and an idle node
answers at once. A read that a change has made outdated is repeated before its result is used.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Generic, TypeVar

import structlog

from services.terminator.name_cache import NameCache
from shared.errors import StoreUnavailableError

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

V = TypeVar("V")

MAX_NAMES: Final = 256  # in one query
MAX_WAITING: Final = 20_000
READ_SECONDS: Final = 3.0  # well below the ten that a client has for its handshake
PACE_SECONDS: Final = 0.005  # at least this long from one query to the next, under constant load


class _Reading(Generic[V]):
    """The read of one name. *done* is False when the store did not answer."""

    __slots__ = ("done", "outdated", "value")

    def __init__(self) -> None:
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.outdated = False
        self.value: V | None = None


class Batches(Generic[V]):
    """Reads with *read*; passes a result to *deliver* as soon as a read ends that no change has made outdated."""

    def __init__(
        self,
        read: Callable[[Collection[str]], Awaitable[Mapping[str, V]]],
        deliver: Callable[[str, V | None], None] = lambda _name, _value: None,
    ) -> None:
        self._read = read
        self._deliver = deliver
        self._readings: NameCache[_Reading[V]] = NameCache(2 * MAX_WAITING)
        self._queue: deque[str] = deque()
        self._asked = asyncio.Event()

    async def get(self, name: str) -> V | None:
        """Return the store's value for *name*, by a new read or by a current one that is not outdated.

        Raises:
            StoreUnavailableError: the store does not answer, or too many names are waiting to be read.
        """
        reading = self._readings.get(name)
        if reading is None:
            if len(self._readings) >= MAX_WAITING:
                raise StoreUnavailableError(f"{MAX_WAITING} names are waiting to be read")
            reading = _Reading()
            self._readings.put(name, reading)
            self._queue.append(name)
            self._asked.set()
        if not await asyncio.shield(reading.done):
            raise StoreUnavailableError("the store does not answer")
        return reading.value

    def mark_outdated(self, domain: str) -> bool:
        """Have the current reads of names that *domain* covers repeated; return whether there are any."""
        names = self._readings.covered(domain)
        for name in names:
            reading = self._readings.get(name)
            assert reading is not None
            reading.outdated = True
        return bool(names)

    async def run(self) -> None:
        """Read the names that are asked for, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._asked.wait()
            started_at = loop.time()
            names = [self._queue.popleft() for _ in range(min(MAX_NAMES, len(self._queue)))]
            await self._read_batch(names)
            if self._queue:
                await asyncio.sleep(started_at + PACE_SECONDS - loop.time())
            else:
                self._asked.clear()

    async def _read_batch(self, names: list[str]) -> None:
        readings = {name: reading for name in names if (reading := self._readings.get(name))}
        for reading in readings.values():
            reading.outdated = False
        values: Mapping[str, V] | None
        try:
            async with asyncio.timeout(READ_SECONDS):
                values = await self._read(names)
        except (StoreUnavailableError, TimeoutError):
            values = None
        except Exception:  # the edge: callers must get an answer, and the next batch may succeed
            log.exception("batch_not_read")
            values = None
        if values is None:
            for name, reading in readings.items():
                self._finish(name, reading, done=False)
            return
        for name, reading in readings.items():
            if reading.outdated:
                self._queue.append(name)
                continue
            reading.value = values.get(name)
            self._deliver(name, reading.value)
            self._finish(name, reading, done=True)

    def _finish(self, name: str, reading: _Reading[V], *, done: bool) -> None:
        self._readings.drop(name)
        reading.done.set_result(done)
