"""From `certificate.uploaded` to its verdict: uploads per second, CPU per upload, and how long a good upload waits.

For each type of key the same number of uploads is published at once; CPU is the user and system time of the validator
and its sandbox processes, their database and broker work included. The peer is the program `openssl` on the same
bundles and keys (`bench.openssl`).

The wait of good uploads, from their publishing to `certificate.ready`, is measured at a steady rate alone, and again
while another tenant publishes bad uploads that take long to judge.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aio_pika

from bench import openssl
from bench.processes import cpu_seconds_of_family
from bench.results import Result, of_rounds, percentile
from bench.trees import compare
from dev.platform.customer_ca import Authority, Issued, KeyKind, new_key
from dev.platform.platform import Platform
from dev.platform.service import Service

UPLOADS: Final = 200
ROUNDS: Final = 3
KINDS: Final = (KeyKind.ECDSA_P256, KeyKind.ED25519, KeyKind.RSA_2048, KeyKind.RSA_4096)
PEER_PAIRS: Final = 40
RATE: Final = 20  # good uploads a second, while the wait is measured
WAITS: Final = 300
SLOW_RATE: Final = 2  # bad ones a second
_BLANK_LINES: Final = 240_000  # before a certificate: allowed, and slow to read
_GOALS: Final = {KeyKind.ECDSA_P256: 0.005}
_PEER: Final = "openssl: verify, x509 -pubkey, pkey -pubout"
_DEADLINE_SECONDS: Final = 300
Data = dict[str, Any]


async def measure(platform: Platform, other_tree: Path | None = None) -> list[Result]:
    """Return the results for uploads; with *other_tree*, only the CPU of an upload compared with that tree's."""
    if other_tree is not None:
        return await _compare(platform, other_tree)
    validator = platform.validator("validator", LOG_LEVEL="warning")
    await platform.run(validator)
    bench = _Bench(platform, validator.pid)
    async with _published(platform) as requests:
        await bench.round(requests, KeyKind.ECDSA_P256)  # connections, prepared statements
        results = [result for kind in KINDS for result in await bench.of_kind(requests, kind)]
        results += await bench.waits(requests)
    await platform.end_services()
    return results


async def _compare(platform: Platform, other_tree: Path) -> list[Result]:
    async with _published(platform) as requests:

        async def run(service: Service) -> dict[str, float]:
            bench = _Bench(platform, service.pid)
            await bench.round(requests, KeyKind.ECDSA_P256)  # connections, prepared statements
            costs = {f"upload_cpu_seconds_{_in_names(kind)}": await bench.round(requests, kind) for kind in KINDS}
            return {name: seconds for name, (seconds, _) in costs.items()}

        def make(name: str) -> Service:
            return platform.validator(name, LOG_LEVEL="warning")

        return await compare(platform, make, run, other_tree=other_tree, rounds=ROUNDS)


def _in_names(kind: KeyKind) -> str:
    return kind.replace("-", "_")


class _Requests:
    """Publishes uploads and receives their verdicts."""

    def __init__(self, exchange: aio_pika.abc.AbstractExchange) -> None:
        self._exchange: Final = exchange
        self._verdicts: Final[dict[str, asyncio.Future[str]]] = {}

    async def seconds_to(self, kind: str, data: Data) -> float:
        """Publish *data* and return how long its verdict took; the verdict must be the fact *kind*."""
        verdict = self._verdicts[data["certificate_id"]] = asyncio.get_running_loop().create_future()
        body = json.dumps(data).encode()
        began = time.perf_counter()
        await self._exchange.publish(aio_pika.Message(body), routing_key="certificate.uploaded")
        assert await verdict == kind
        return time.perf_counter() - began

    async def on_message(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Store a verdict."""
        verdict = self._verdicts.pop(json.loads(message.body)["certificate_id"], None)
        if verdict is not None:
            verdict.set_result(message.routing_key or "")


@asynccontextmanager
async def _published(platform: Platform) -> AsyncIterator[_Requests]:
    publisher = await aio_pika.connect(platform.logins.amqp_url("publisher"))
    listener = await aio_pika.connect(platform.logins.administrator_amqp_url)
    async with publisher, listener:
        requests = _Requests(await (await publisher.channel()).get_exchange("certsmith.public", ensure=False))
        queue = await (await listener.channel()).declare_queue(exclusive=True)
        for kind in ("certificate.ready", "certificate.rejected"):
            await queue.bind("certsmith.events", kind)
        await queue.consume(requests.on_message, no_ack=True)
        yield requests


class _Bench:
    """Measures rounds of uploads on one validator."""

    def __init__(self, platform: Platform, pid: int) -> None:
        self._platform: Final = platform
        self._pid: Final = pid
        self._authority: Final = Authority()
        self._keys: Final = {kind: new_key(kind) for kind in KINDS}
        self._made = 0

    async def of_kind(self, requests: _Requests, kind: KeyKind) -> list[Result]:
        """Return the CPU of an upload with a key of *kind*, and how many are judged in a second."""
        rounds = [await self.round(requests, kind) for _ in range(ROUNDS)]
        folder = self._platform.folder / f"openssl-{kind}"
        folder.mkdir()
        peer = await openssl.measure(
            [self._issued(kind) for _ in range(PEER_PAIRS)],
            root_pem=self._authority.roots_pem,
            folder=folder,
            side_by_side=len(os.sched_getaffinity(0)),
        )
        costs, rates = zip(*rounds, strict=True)
        name = _in_names(kind)
        print(f"  {kind}: {costs[-1] * 1000:.1f} ms CPU an upload, {rates[-1]:.0f} a second")
        return [
            of_rounds(
                f"upload_cpu_seconds_{name}",
                costs,
                unit="s",
                goal=_GOALS.get(kind),
                peer=_PEER,
                of_peer=peer.cpu_seconds,
            ),
            of_rounds(f"uploads_per_second_{name}", rates, unit="1/s", peer=_PEER, of_peer=peer.per_second),
        ]

    async def round(self, requests: _Requests, kind: KeyKind) -> tuple[float, float]:
        """Publish `UPLOADS` at once; return the CPU seconds of each, and how many were judged in a second."""
        uploads = [self._platform.uploader.upload(self._issued(kind)) for _ in range(UPLOADS)]
        began, spent = time.perf_counter(), cpu_seconds_of_family(self._pid)
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await asyncio.gather(*(requests.seconds_to("certificate.ready", data) for data in uploads))
        seconds = time.perf_counter() - began
        return (cpu_seconds_of_family(self._pid) - spent) / UPLOADS, UPLOADS / seconds

    async def waits(self, requests: _Requests) -> list[Result]:
        """Return how long good uploads wait, alone and next to bad ones that are slow to judge."""
        alone, with_slow = [], []
        for number in range(ROUNDS):
            alone.append(percentile(await self._steadily(requests), 0.99))
            async with asyncio.timeout(_DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
                slow = tasks.create_task(self._slowly(requests))
                with_slow.append(percentile(await self._steadily(requests), 0.99))
                slow.cancel()
            print(
                f"  round {number + 1}: p99 {alone[-1] * 1000:.0f} ms alone, {with_slow[-1] * 1000:.0f} ms next to slow"
            )
        ratios = [one / other for one, other in zip(with_slow, alone, strict=True)]
        return [
            of_rounds("upload_to_ready_p99_seconds", alone, unit="s"),
            of_rounds("upload_to_ready_p99_seconds_beside_slow_ones", with_slow, unit="s"),
            of_rounds("upload_to_ready_p99_beside_slow_ones_over_alone", ratios, unit="", goal=2.0),
        ]

    async def _steadily(self, requests: _Requests) -> list[float]:
        """Return how long each of `WAITS` good uploads took, published at `RATE` a second."""
        uploads = [
            self._platform.uploader.upload(self._issued(KeyKind.ECDSA_P256), tenant="good") for _ in range(WAITS)
        ]
        start = time.perf_counter()

        async def one(number: int, data: Data) -> float:
            await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
            return await requests.seconds_to("certificate.ready", data)

        async with asyncio.timeout(_DEADLINE_SECONDS):
            return list(await asyncio.gather(*(one(number, data) for number, data in enumerate(uploads))))

    async def _slowly(self, requests: _Requests) -> None:
        """Publish bad uploads at `SLOW_RATE` a second until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                bad = self._authority.issue(f"bad-{self._next()}.example.com", days=-1, issued_days_ago=9)
                data = self._platform.uploader.upload_of(
                    "\n" * _BLANK_LINES + bad.bundle_pem, bad.key_pem, tenant="bad"
                )
                tasks.create_task(requests.seconds_to("certificate.rejected", data))
                await asyncio.sleep(1 / SLOW_RATE)

    def _issued(self, kind: KeyKind) -> Issued:
        return self._authority.issue(f"shop-{self._next()}.example.com", key=self._keys[kind])

    def _next(self) -> int:
        self._made += 1
        return self._made
