"""Reads by name, many in one query.

One query runs at a time, for all names that were asked for while the one before ran; who asks for a name that is
already being read waits for that. So the store sees a bounded load, whatever strangers ask for, and an idle node
answers at once. A read that was overtaken by a change is repeated before anybody sees its result.
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
READ_SECONDS: Final = 3.0  # a client waits at most ten for its handshake
PACE_SECONDS: Final = 0.005  # from one query to the next, when there is always something to read


class _Reading(Generic[V]):
    """One name that somebody waits for; *done* is False when the store did not answer."""

    __slots__ = ("done", "overtaken", "value")

    def __init__(self) -> None:
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.overtaken = False
        self.value: V | None = None


class Batches(Generic[V]):
    """Reads with *read*, and gives each result to *deliver*, in the very moment in which no change has overtaken it."""

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
        """Return what the store has for *name*, read after this call began or, if it is being read, not overtaken.

        Raises:
            StoreUnavailableError: it does not answer, or too much is being asked of it.
        """
        reading = self._readings.get(name)
        if reading is None:
            if len(self._readings) >= MAX_WAITING:
                raise StoreUnavailableError(f"{MAX_WAITING} names wait to be read")
            reading = _Reading()
            self._readings.put(name, reading)
            self._queue.append(name)
            self._asked.set()
        if not await asyncio.shield(reading.done):
            raise StoreUnavailableError("the store does not answer")
        return reading.value

    def overtake(self, domain: str) -> bool:
        """Read again what is being read and *domain* is about; say whether there is any."""
        names = self._readings.covered(domain)
        for name in names:
            reading = self._readings.get(name)
            assert reading is not None
            reading.overtaken = True
        return bool(names)

    async def run(self) -> None:
        """Read, until cancelled."""
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
            reading.overtaken = False
        values: Mapping[str, V] | None
        try:
            async with asyncio.timeout(READ_SECONDS):
                values = await self._read(names)
        except (StoreUnavailableError, TimeoutError):
            values = None
        except Exception:  # the edge: who waits must be told, and the next batch may be another matter
            log.exception("batch_not_read")
            values = None
        if values is None:
            for name, reading in readings.items():
                self._finish(name, reading, done=False)
            return
        for name, reading in readings.items():
            if reading.overtaken:
                self._queue.append(name)
                continue
            reading.value = values.get(name)
            self._deliver(name, reading.value)
            self._finish(name, reading, done=True)

    def _finish(self, name: str, reading: _Reading[V], *, done: bool) -> None:
        self._readings.drop(name)
        reading.done.set_result(done)
