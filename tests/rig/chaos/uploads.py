"""Chaos for uploads: validators are killed at named points and random moments, and sandbox processes too.

The seed decides which process is killed and when, but not what that process is doing. A killed process is started
again at once, as a supervisor does; nothing else is done.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import asyncpg

from dev.platform.customer_ca import Authority, Issued, KeyKind, PrivateKey, new_key
from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event, patiently
from dev.platform.service import KILLED, Service
from dev.platform.uploading import HOUR, UPLOADED
from dev.servers.postgresql import StopMode
from dev.waiting import until
from tests.rig.chaos.launchers.dying_validator import CrashPoint, Tokens

T = TypeVar("T")

VALIDATORS: Final = 3
TENANTS: Final = ("left", "right", "upper", "lower", "")
_LAUNCHER: Final = "tests.rig.chaos.launchers.dying_validator"
_SETTINGS: Final = {"VALIDATOR_LEASE_SECONDS": "3", "VALIDATOR_JUDGES": "2", "VALIDATOR_JUDGE_SECONDS": "1"}
_PAUSE_SECONDS: Final = (0.2, 0.9)  # from one kill of ours to the next
_BATCH: Final = 3
_BATCH_SECONDS: Final = 0.8
_DATABASE_AWAY_SECONDS: Final = (0.5, 1.5)
_BLANK_LINES: Final = 230_000  # they are slow to read, and may precede a certificate


class Target(StrEnum):
    """The processes that are killed at random moments."""

    VALIDATOR = "validator"
    JUDGE = "judge"
    RELAY = "relay"


class ServerFault(StrEnum):
    """What happens to a server during the campaign."""

    BROKER_RESTART = "broker restart"
    DATABASE_STOP = "database immediate stop"


_PUBLISHING: Final = (CrashPoint.BEFORE_PUBLISH, CrashPoint.AFTER_PUBLISH)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCampaign:
    """How often each fault happens."""

    seed: int
    at_points: Mapping[CrashPoint, int]
    """How often a validator dies at each point of its work."""
    at_random: Mapping[Target, int]
    """How often something is killed at a random moment."""

    @classmethod
    def short(cls, seed: int) -> Self:
        """Return a campaign that comes by every point once."""
        at_random = {Target.VALIDATOR: 1, Target.JUDGE: 2, Target.RELAY: 1}
        return cls(seed=seed, at_points=dict.fromkeys(CrashPoint, 1), at_random=at_random)

    @classmethod
    def long(cls, seed: int) -> Self:
        """Return a campaign of twenty kills."""
        at_points = {
            CrashPoint.RECEIVED: 3,
            CrashPoint.ASSIGNED: 3,
            CrashPoint.ANSWERED: 3,
            CrashPoint.BEFORE_PUBLISH: 1,
            CrashPoint.AFTER_PUBLISH: 2,
        }
        return cls(seed=seed, at_points=at_points, at_random={Target.VALIDATOR: 3, Target.JUDGE: 4, Target.RELAY: 1})

    @property
    def kills(self) -> int:
        """How many kills there are in all."""
        return sum(self.at_points.values()) + sum(self.at_random.values())

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.kills} kills"


class Sort(StrEnum):
    """The sort of upload, and the code of the only reason to reject it, if there is one."""

    GOOD = ""
    SLOW = " "
    EXPIRED = "leaf_expired"
    MISMATCHED = "key_mismatch"
    COPIED = "sealed_other_bundle"
    LATE = "sealed_expired"


_SORTS: Final = {Sort.GOOD: 10, Sort.SLOW: 1, Sort.EXPIRED: 2, Sort.MISMATCHED: 2, Sort.COPIED: 1, Sort.LATE: 1}


@dataclass(frozen=True, slots=True)
class Sent:
    """An upload that was published."""

    certificate_id: str
    tenant: str
    sort: Sort

    @property
    def code(self) -> str | None:
        """The code of the reason for its rejection; None if it must be accepted."""
        return self.sort.strip() or None


@dataclass(frozen=True, slots=True)
class Kill:
    """One `kill -9`."""

    what: Target | CrashPoint
    victim: str


@dataclass(slots=True)
class UploadChaos:
    """A campaign against a platform's validators."""

    platform: Platform
    campaign: UploadCampaign
    say: Callable[[str], None]
    kills: list[Kill] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    _random: random.Random = field(init=False)
    _validators: list[Service] = field(init=False)
    _authority: Authority = field(default_factory=Authority, init=False)
    _points: list[CrashPoint] = field(init=False)
    """Those that are left for one validator each; those of publishing are tokens."""
    _tokens: Tokens = field(init=False)
    _ours: set[int] = field(default_factory=set, init=False)
    """The processes that we have killed, and not a point of their work."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.campaign.seed)
        self._validators = [
            self.platform.validator(f"validator-{number}", module=_LAUNCHER, **_SETTINGS)
            for number in range(VALIDATORS)
        ]
        cards = [point for point, count in self.campaign.at_points.items() for _ in range(count)]
        self._points = [point for point in self._random.sample(cards, len(cards)) if point not in _PUBLISHING]
        folder = self.platform.folder / "tokens"
        folder.mkdir()
        self._tokens = Tokens(folder)
        for number, point in enumerate(point for point in cards if point in _PUBLISHING):
            self._tokens.add(point, number)

    async def run(self) -> None:
        """Upload and kill, until all kills are done."""
        keys = [new_key(kind) for kind in KeyKind for _ in range(2)]
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            lives = [tasks.create_task(self._live(validator)) for validator in self._validators]
            attack = tasks.create_task(self._attack())
            publishing: list[asyncio.Task[None]] = []
            while len(self.kills) < self.campaign.kills:
                batch = [self._upload(keys) for _ in range(_BATCH)]
                publishing.append(tasks.create_task(self._publish(batch)))
                await asyncio.sleep(_BATCH_SECONDS)
            await attack
            for life in lives:
                life.cancel()
        self.say(
            f"{self.campaign}: {len(self.sent)} uploads and {len(self.kills)} kills in {time.monotonic() - began:.1f} s"
        )

    async def settle(self) -> None:
        """Return when every upload has its verdict and nothing is left to do."""
        began = time.monotonic()
        for validator in self._validators:
            if not validator.is_running:  # it was about to be started again
                await self._start(validator, None)
        await self.platform.settled()
        self.say(f"{self.campaign}: nothing left to do {time.monotonic() - began:.1f} s after the chaos")

    def logs(self) -> Mapping[str, Path]:
        """Return the log of each service and server, by name."""
        return self.platform.logs()

    async def _live(self, validator: Service) -> None:
        """Run *validator* again and again; each time it may have a point of its work at which it dies."""
        while True:
            point = self._points.pop() if self._points else None
            await self._start(validator, point)
            pid = validator.pid
            status = await self._end_of(validator)
            assert status == KILLED, f"{validator.name} ended with {status}, though it was not killed"
            died_publishing = self._tokens.taken_by(pid)
            if pid in self._ours:
                died_at = None
                if died_publishing is not None:  # it was about to
                    self._tokens.add(died_publishing, pid)
            else:
                died_at = died_publishing or point
                assert died_at is not None, f"somebody else has killed {validator.name}"
                self._note(Kill(died_at, validator.name))
            if point is not None and died_at is not point:
                self._points.append(point)  # it did not get there

    async def _end_of(self, validator: Service) -> int:
        """Return the exit status of *validator*; it may run until the campaign ends."""

        async def is_over() -> bool:
            return not validator.is_running

        await until(is_over, f"the end of {validator.name}", seen=lambda: (len(self.kills), len(self.sent)))
        return await validator.ended()

    async def _start(self, validator: Service, point: CrashPoint | None) -> None:
        validator.environment.update(
            CRASH_TOKENS=str(self.platform.folder / "tokens"),
            CRASH_POINT=point or "",
            CRASH_NUMBER=str(self._random.randint(1, 3)),
            CRASH_SECONDS=f"{self._random.uniform(0, 0.005):.4f}",
        )
        await validator.start()

    async def _attack(self) -> None:
        """Kill at random moments, and cause each server fault once."""
        cards = [target for target, count in self.campaign.at_random.items() for _ in range(count)]
        deck = self._random.sample(cards, len(cards))
        faults = dict(zip(self._random.sample(range(1, len(deck) - 1), len(ServerFault)), ServerFault, strict=True))
        done = 0
        while deck:
            await asyncio.sleep(self._random.uniform(*_PAUSE_SECONDS))
            target = deck.pop(0)
            victim = await self._kill(target)
            if victim is None:
                deck.append(target)  # there is none at the moment
                continue
            self._note(Kill(target, victim))
            done += 1
            if fault := faults.pop(done, None):
                await self._strike(fault)

    def _note(self, kill: Kill) -> None:
        self.kills.append(kill)
        so_far = f"{len(self.kills)}/{self.campaign.kills}"
        self.say(f"{self.campaign}: kill -9 {so_far}, {kill.what} ({kill.victim}), {len(self.sent)} uploads sent")

    async def _kill(self, target: Target) -> str | None:
        """Kill one of these; return its name, None when there is none."""
        if target is Target.JUDGE:
            return self._kill_judge()
        victims = [each for each in self._validators if each.is_running]
        if target is Target.RELAY:
            victims = await self._unless_away(self.platform.relay_holders()) or []
        if not victims:
            return None
        victim = self._random.choice(victims)
        self._ours.add(victim.pid)
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except ProcessLookupError:  # it came to its point a moment ago
            self._ours.discard(victim.pid)
            return None
        return victim.name

    def _kill_judge(self) -> str | None:
        judges = [(each, pid) for each in self._validators if each.is_running for pid in each.children()]
        if not judges:
            return None
        validator, pid = self._random.choice(judges)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return f"of {validator.name}, pid {pid}"
        return None

    async def _strike(self, fault: ServerFault) -> None:
        self.say(f"{self.campaign}: {fault}")
        match fault:
            case ServerFault.BROKER_RESTART:
                await self.platform.broker.restart()
            case ServerFault.DATABASE_STOP:
                await self.platform.database.stop(StopMode.IMMEDIATE)
                await asyncio.sleep(self._random.uniform(*_DATABASE_AWAY_SECONDS))
                await self.platform.database.resume()
        self.say(f"{self.campaign}: the server is back after its {fault}")

    def _upload(self, keys: list[PrivateKey]) -> dict[str, Any]:
        """Return the data of an upload of some sort."""
        sort = self._random.choices(list(_SORTS), list(_SORTS.values()))[0]
        tenant = self._random.choice(TENANTS)
        number = len(self.sent)
        issued = self._issued(number, sort, self._random.choice(keys))
        bundle = "\n" * _BLANK_LINES * (sort is Sort.SLOW) + issued.bundle_pem
        key = self._issued(number, sort, new_key(KeyKind.ECDSA_P256)) if sort is Sort.MISMATCHED else issued
        expires_in = -HOUR if sort is Sort.LATE else HOUR
        data = self.platform.uploader.upload_of(bundle, key.key_pem, tenant=tenant, expires_in=expires_in)
        if sort is Sort.COPIED:
            data["certificate_pem"] += "\n"
        self.sent.append(Sent(data["certificate_id"], tenant, sort))
        return data

    def _issued(self, number: int, sort: Sort, key: PrivateKey) -> Issued:
        name = f"shop-{self.campaign.seed}-{number}.example.com"
        if sort is Sort.EXPIRED:
            return self._authority.issue(name, key=key, days=-1, issued_days_ago=20)
        return self._authority.issue(name, key=key)

    async def _publish(self, batch: list[dict[str, Any]]) -> None:
        """Publish each, in one form or another and some of them twice, as the same event."""
        events = [cloud_event(UPLOADED, data) for data in batch]
        publisher = self.platform.publisher
        for number, event in enumerate((*events, *self._random.sample(events, 2))):
            await patiently(partial((publisher.structured, publisher.binary)[number % 2], event))

    async def _unless_away(self, asking: Awaitable[T]) -> T | None:
        try:
            return await asking
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None
