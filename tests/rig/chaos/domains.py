"""Chaos: many domains in flight, processes killed at random moments, and a server that stops or is killed.

The seed decides which process is killed and when, but not what that process is doing. The CA answers slowly, so that
kills meet orders in every state. A killed process is started again at once, as a supervisor does; nothing else is done.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import asyncpg

from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event, patiently
from dev.platform.service import Node, Service
from dev.servers.faults import Delay, Endpoint
from dev.servers.postgresql import StopMode

T = TypeVar("T")

PROVISIONERS: Final = 3
NODES: Final = 2
_PAUSE_SECONDS: Final = (0.2, 1.2)  # from one kill to the next
_CA_SECONDS: Final = (0.1, 1.2)  # for each answer
_DATABASE_AWAY_SECONDS: Final = (0.5, 3.0)
_SLOW: Final = (
    Endpoint.NEW_ORDER,
    Endpoint.AUTHORIZATION,
    Endpoint.CHALLENGE,
    Endpoint.ORDER,
    Endpoint.FINALIZE,
    Endpoint.CERTIFICATE,
)
_ANSWERS: Final = 5_000  # as slow as that; then it is quick


class Target(StrEnum):
    """The processes that may be killed."""

    PROVISIONER = "provisioner"
    CONTROL = "terminator's control"
    WORKER = "terminator's worker"
    RELAY = "relay"


_SHARES: Final = {Target.PROVISIONER: 7, Target.CONTROL: 5, Target.WORKER: 5, Target.RELAY: 3}


class ServerFault(StrEnum):
    """What happens to a server during the campaign."""

    BROKER_RESTART = "broker restart"
    BROKER_KILL = "broker kill -9"
    DATABASE_STOP = "database immediate stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """How much chaos."""

    seed: int
    faults: tuple[ServerFault, ...]
    kills: int = 20
    in_flight: int = 60
    """How many domains have been asked for and have no certificate; new ones are asked for as others are served."""

    def __str__(self) -> str:
        return f"seed {self.seed}, {' and '.join(self.faults)}"


@dataclass(frozen=True, slots=True)
class Kill:
    """One `kill -9`."""

    target: Target
    victim: str
    in_flight: int | None
    """How many domains had been asked for and had no certificate; None when the database was down."""

    def __str__(self) -> str:
        return f"{self.target} ({self.victim}), {'?' if self.in_flight is None else self.in_flight} in flight"


@dataclass(slots=True)
class Chaos:
    """A campaign against a platform."""

    platform: Platform
    campaign: Campaign
    say: Callable[[str], None]
    kills: list[Kill] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    _random: random.Random = field(init=False)
    _provisioners: list[Service] = field(init=False)
    _nodes: list[Node] = field(init=False)
    _one_fault: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """Held while a server is down: one at a time."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.campaign.seed)
        self._provisioners = [self.platform.provisioner(f"provisioner-{number}") for number in range(PROVISIONERS)]
        self._nodes = [self.platform.terminator(f"terminator-{number}", node=number) for number in range(NODES)]

    async def run(self) -> None:
        """Ask for domains and kill, until all kills are done."""
        await self.platform.run(*self._provisioners, *self._nodes)
        for endpoint in _SLOW:
            self.platform.gate.inject(endpoint, *(Delay(self._random.uniform(*_CA_SECONDS)) for _ in range(_ANSWERS)))
        deck, faults = self._deck(), self._faults()
        async with asyncio.TaskGroup() as tasks:
            while len(self.kills) < self.campaign.kills:
                self._check_alive()
                tasks.create_task(self._ask(await self._new_hosts()))
                await asyncio.sleep(self._random.uniform(*_PAUSE_SECONDS))
                target = deck.popleft()
                if not await self._kill(target):
                    deck.append(target)  # there is none at the moment
                elif fault := faults.pop(len(self.kills), None):
                    tasks.create_task(self._strike(fault))

    async def settle(self) -> None:
        """Return when every domain is served by every node and nothing is left to do."""
        self.platform.gate.clear()
        started = time.monotonic()
        await asyncio.gather(*(service.ready() for service in (*self._provisioners, *self._nodes)))
        self._check_alive()
        await asyncio.gather(*(self.platform.served(host) for host in self.hosts))
        served = time.monotonic()
        await self.platform.settled()
        settled = time.monotonic()
        summary = (
            f"seed {self.campaign.seed}: {len(self.hosts)} domains served {served - started:.1f} s after the chaos"
        )
        self.say(f"{summary}, nothing left to do {settled - started:.1f} s after it")

    def logs(self) -> Mapping[str, Path]:
        """Return the log of each service and server, by name."""
        return self.platform.logs()

    def _check_alive(self) -> None:
        """Fail if a service has ended that was not killed."""
        ended = [service.name for service in (*self._provisioners, *self._nodes) if not service.is_running]
        assert not ended, f"{', '.join(ended)} ended, though they were not killed"

    async def _in_flight(self) -> int | None:
        issued = await self._unless_away(self.platform.ledger.issued())
        return None if issued is None else len(self.hosts) - issued

    async def _new_hosts(self) -> list[str]:
        """Return the hosts that are missing from the number in flight."""
        in_flight = await self._in_flight()
        missing = 0 if in_flight is None else max(0, self.campaign.in_flight - in_flight)
        first = len(self.hosts)
        new = [f"shop-{self.campaign.seed}-{number}.example.com" for number in range(first, first + missing)]
        self.hosts += new
        return new

    async def _ask(self, hosts: Sequence[str]) -> None:
        """Publish a request for each of *hosts*, in one form or another, and later the same events once more."""
        publisher = self.platform.publisher
        events = [cloud_event("domain.created", self.platform.domain(host)) for host in hosts]
        for number, host in enumerate(hosts):
            await self.platform.point_here(host, node=number % NODES)
        for number, event in enumerate((*events, *self._random.sample(events, len(events)))):
            await patiently(partial((publisher.structured, publisher.binary)[number % 2], event))

    def _deck(self) -> deque[Target]:
        cards = [target for target, share in _SHARES.items() for _ in range(share)]
        times = -(-self.campaign.kills // len(cards))
        return deque(self._random.sample(cards * times, self.campaign.kills))

    def _faults(self) -> dict[int, ServerFault]:
        """Return after which kill each fault happens, early enough that some kills follow."""
        moments = self._random.sample(range(1, self.campaign.kills // 2), len(self.campaign.faults))
        return dict(zip(moments, self.campaign.faults, strict=True))

    async def _kill(self, target: Target) -> bool:
        """Kill one of these and start it again; return False when there is none to kill."""
        in_flight = await self._in_flight()
        victim = await self._kill_one(target)
        if victim is None:
            return False
        self.kills.append(Kill(target, victim, in_flight))
        self.say(f"seed {self.campaign.seed}: kill -9 {len(self.kills)}/{self.campaign.kills} of {self.kills[-1]}")
        return True

    async def _kill_one(self, target: Target) -> str | None:
        match target:
            case Target.WORKER:
                return self._kill_worker()
            case Target.PROVISIONER:
                return await self._kill_service(self._provisioners)
            case Target.CONTROL:
                return await self._kill_service(self._nodes)
            case Target.RELAY:
                return await self._kill_service(await self._unless_away(self.platform.relay_holders()) or [])

    async def _kill_service(self, services: Sequence[Service]) -> str | None:
        running = [service for service in services if service.is_running]
        if not running:
            return None
        service = self._random.choice(running)
        await service.kill()
        await service.start()
        return service.name

    def _kill_worker(self) -> str | None:
        workers = [(node, pid) for node in self._nodes for pid in node.children()]
        if not workers:
            return None
        node, pid = self._random.choice(workers)
        node.kill_worker(pid)
        return f"{node.name}, pid {pid}"

    async def _strike(self, fault: ServerFault) -> None:
        """Stop or kill the server that *fault* names and start it again; the services get no notice."""
        broker, database = self.platform.broker, self.platform.database
        async with self._one_fault:
            self.say(f"seed {self.campaign.seed}: {fault}")
            match fault:
                case ServerFault.BROKER_RESTART:
                    await broker.restart()
                case ServerFault.BROKER_KILL:
                    await broker.kill()
                    await broker.resume()
                case ServerFault.DATABASE_STOP:
                    await database.stop(StopMode.IMMEDIATE)
                    await asyncio.sleep(self._random.uniform(*_DATABASE_AWAY_SECONDS))
                    await database.resume()
            self.say(f"seed {self.campaign.seed}: the server is back after its {fault}")

    async def _unless_away(self, asking: Awaitable[T]) -> T | None:
        try:
            return await asking
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None
