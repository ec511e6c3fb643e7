"""From `domain.created` to a verified handshake, and what it costs the provisioner.

Domains are published 20 at a time. As soon as a domain's `certificate.ready` arrives, a client makes handshakes with
the terminator until one verifies; that is the end of the measurement. The provisioner's CPU is the user and system time
of its process, its database and broker work included, over the whole round.

The peer is `acme.client.ClientV2`, the client inside certbot, on the same CA: one thread for each order in flight,
without the DNS look-ups, no database, no broker and no serving.
"""

import asyncio
import contextlib
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aio_pika

from bench import stock_client
from bench.processes import cpu_seconds
from bench.results import Result, of_rounds, percentile
from bench.trees import compare
from dev.platform.platform import Platform
from dev.platform.service import Service

DOMAINS: Final = 200
IN_FLIGHT: Final = 20
ROUNDS: Final = 3
PEER_ORDERS: Final = 40
_PEER: Final = "acme.client.ClientV2"
_DEADLINE_SECONDS: Final = 300


async def measure(platform: Platform, other_tree: Path | None = None) -> list[Result]:
    """Return the results for the main path; with *other_tree*, only the CPU of an order compared with that tree's."""
    if other_tree is not None:
        return await _compare(platform, other_tree)
    node = platform.terminator("node", TERMINATOR_WORKERS="2")
    provisioner = platform.provisioner("provisioner", LOG_LEVEL="warning")
    await platform.run(node, provisioner)
    trust = ssl.create_default_context(cadata=(await platform.pebble.roots()).decode())
    p50s, p99s, cpus = [], [], []
    async with _listening(platform) as ready:
        await _round(platform, ready, trust, count=IN_FLIGHT)  # account, connections, prepared statements
        for number in range(ROUNDS):
            before = cpu_seconds(provisioner.program.pid)
            latencies = await _round(platform, ready, trust, count=DOMAINS)
            cpus.append((cpu_seconds(provisioner.program.pid) - before) / DOMAINS)
            p50s.append(percentile(latencies, 0.5))
            p99s.append(percentile(latencies, 0.99))
            milliseconds = cpus[-1] * 1000
            print(
                f"  round {number + 1}: p50 {p50s[-1]:.3f} s, p99 {p99s[-1]:.3f} s, {milliseconds:.1f} ms CPU an order"
            )
    await platform.end_services()
    peer = await stock_client.measure(platform, orders=PEER_ORDERS, in_flight=IN_FLIGHT)
    return [
        of_rounds(
            "publish_to_served_p50_seconds",
            p50s,
            unit="s",
            goal=1.0,
            peer=f"{_PEER}, order to chain",
            of_peer=percentile(peer.latencies, 0.5),
        ),
        of_rounds(
            "publish_to_served_p99_seconds",
            p99s,
            unit="s",
            peer=f"{_PEER}, order to chain",
            of_peer=percentile(peer.latencies, 0.99),
        ),
        of_rounds(
            "provisioner_cpu_seconds_per_order",
            cpus,
            unit="s",
            goal=0.008,
            peer=f"{_PEER}, ACME only",
            of_peer=peer.cpu_seconds_per_order,
        ),
    ]


async def _compare(platform: Platform, other_tree: Path) -> list[Result]:
    await platform.run(platform.terminator("node", TERMINATOR_WORKERS="2"))
    trust = ssl.create_default_context(cadata=(await platform.pebble.roots()).decode())
    async with _listening(platform) as ready:

        async def run(service: Service) -> dict[str, float]:
            await _round(platform, ready, trust, count=IN_FLIGHT)
            before = cpu_seconds(service.pid)
            await _round(platform, ready, trust, count=DOMAINS)
            return {"provisioner_cpu_seconds_per_order": (cpu_seconds(service.pid) - before) / DOMAINS}

        def make(name: str) -> Service:
            return platform.provisioner(name, LOG_LEVEL="warning")

        return await compare(platform, make, run, other_tree=other_tree, rounds=ROUNDS)


async def _round(
    platform: Platform, ready: dict[str, asyncio.Event], trust: ssl.SSLContext, *, count: int
) -> list[float]:
    """Return how long each of *count* new domains took."""
    hosts = [f"shop-{secrets.token_hex(5)}.example.com" for _ in range(count)]
    await platform.point_here(*hosts)
    ready.update({host: asyncio.Event() for host in hosts})
    connection = await aio_pika.connect(platform.logins.amqp_url("publisher"))
    async with connection, asyncio.timeout(_DEADLINE_SECONDS):
        exchange = await (await connection.channel()).get_exchange("certsmith.public", ensure=False)
        in_flight = asyncio.Semaphore(IN_FLIGHT)

        async def one(host: str) -> float:
            async with in_flight:
                began = time.perf_counter()
                body = json.dumps(platform.domain(host)).encode()
                await exchange.publish(aio_pika.Message(body), routing_key="domain.created")
                await ready[host].wait()
                await _served(platform, host, trust)
                return time.perf_counter() - began

        return list(await asyncio.gather(*(one(host) for host in hosts)))


async def _served(platform: Platform, host: str, trust: ssl.SSLContext) -> None:
    """Return when a handshake for *host* has verified."""
    node = platform.nodes[0]
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(node.address, node.https_port, ssl=trust, server_hostname=host)
            writer.transport.abort()
            return
        await asyncio.sleep(0.005)


@asynccontextmanager
async def _listening(platform: Platform) -> AsyncIterator[dict[str, asyncio.Event]]:
    """Yield events by host; each is set when `certificate.ready` is published for the host."""
    ready: dict[str, asyncio.Event] = {}
    connection = await aio_pika.connect(platform.logins.administrator_amqp_url)
    async with connection:
        queue = await (await connection.channel()).declare_queue(exclusive=True)
        await queue.bind("certsmith.events", "certificate.ready")

        async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            for domain in json.loads(message.body)["domains"]:
                if domain["domain"] in ready:
                    ready[domain["domain"]].set()

        await queue.consume(on_message, no_ack=True)
        yield ready
