"""The CPU that a message costs the provisioner: consumed from a queue, and published from the outbox.

Consumed: `domain.deleted` for names that are not registered, so that a message costs its inbox row, a query for the
domain, and the acknowledgement. Published: rows that another process has put into the outbox, which the relay reads,
sends with confirmation, and deletes. CPU is the user and system time of the provisioner's process, its database and
broker work included.

With `--other-tree FOLDER` the peer is the provisioner of another source tree. Nothing here depends on how a tree does
its messaging.
"""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Final

import aio_pika

from bench.processes import cpu_seconds
from bench.results import Result
from bench.trees import compare
from dev.platform.platform import Platform
from dev.platform.publishing import PUBLIC, cloud_event
from dev.platform.service import Service
from dev.waiting import until
from shared.events import DomainChanged, Event
from shared.messaging import outbox
from shared.store import open_pool

MESSAGES: Final = 3000
WARM_UP: Final = 300
ROUNDS: Final = 5
_IN_FLIGHT: Final = 100  # more than the provisioner handles at a time, so that it never waits for a message
_NAMES: Final = 50  # messages about one domain are handled one after another
_DEADLINE_SECONDS: Final = 120.0


async def measure(platform: Platform, other_tree: Path | None = None) -> list[Result]:
    """Return the CPU seconds for each message, compared with the provisioner in *other_tree*."""

    async def run(service: Service) -> dict[str, float]:
        names = [f"{secrets.token_hex(5)}.example.com" for _ in range(_NAMES)]
        await _consumed(platform, names, WARM_UP)  # connections, prepared statements, the tombstones of the names
        await _published(platform, WARM_UP)
        before = cpu_seconds(service.pid)
        await _consumed(platform, names, MESSAGES)
        between = cpu_seconds(service.pid)
        await _published(platform, MESSAGES)
        return {
            "cpu_seconds_per_message_consumed": (between - before) / MESSAGES,
            "cpu_seconds_per_message_published": (cpu_seconds(service.pid) - between) / MESSAGES,
        }

    def make(name: str) -> Service:
        return platform.provisioner(name, LOG_LEVEL="warning")

    return await compare(platform, make, run, other_tree=other_tree, rounds=ROUNDS)


async def _consumed(platform: Platform, names: list[str], count: int) -> None:
    """Publish *count* requests and return when all have been handled."""
    handled = await _inbox_rows(platform)
    connection = await aio_pika.connect(platform.logins.amqp_url("publisher"))
    async with connection, asyncio.timeout(_DEADLINE_SECONDS):
        exchange = await (await connection.channel()).get_exchange(PUBLIC, ensure=False)
        in_flight = asyncio.Semaphore(_IN_FLIGHT)

        async def publish(name: str) -> None:
            body = json.dumps(cloud_event("domain.deleted", {"domain": name})).encode()
            message = aio_pika.Message(body, content_type="application/cloudevents+json")
            async with in_flight:
                await exchange.publish(message, routing_key="domain.deleted")

        await asyncio.gather(*(publish(names[number % len(names)]) for number in range(count)))

    rows = handled

    async def all_handled() -> bool:
        nonlocal rows
        rows = await _inbox_rows(platform)
        return rows >= handled + count

    await until(all_handled, lambda: f"{count} messages to be handled; {rows - handled} have been")


async def _inbox_rows(platform: Platform) -> int:
    return int(await platform.ledger.value("SELECT count(*) FROM messaging.inbox"))


async def _published(platform: Platform, count: int) -> None:
    """Put *count* events into the outbox in one transaction and return when all have been sent and deleted."""
    url = platform.logins.database_url("provisioner")
    async with open_pool(url, role="provisioner") as pool, pool.transaction() as transaction:
        for _ in range(count):
            data = DomainChanged(domain=f"{secrets.token_hex(8)}.example.com", version=1, deleted=False)
            await outbox.publish(transaction, service="provisioner", event=Event(data=data, source="bench"))

    left = count

    async def all_sent() -> bool:
        nonlocal left
        left = await platform.ledger.value("SELECT count(*) FROM messaging.outbox")
        return not left

    await until(all_sent, lambda: f"{count} events to be sent; {left} are left")
