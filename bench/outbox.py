"""From the commit of a change to the receipt of the event that tells of it, at 200 events a second.

A provisioner process relays; this process commits events in its name and receives them. The peer is the same broker
without an outbox: publish with confirm, in this process, to the same queue.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aio_pika

from bench.results import Result, of_rounds, percentile
from dev.platform.platform import Platform
from shared.events import DomainChanged, Event
from shared.messaging import outbox
from shared.store import open_pool

RATE: Final = 200
EVENTS: Final = 1000
ROUNDS: Final = 3
_PEER: Final = "publish with confirm, no outbox"
Send = Callable[[str], Awaitable[None]]


async def measure(platform: Platform) -> list[Result]:
    """Return the outbox's latency."""
    await platform.run(platform.provisioner("relay", LOG_LEVEL="warning"))
    rounds, peers = [], []
    connection = await aio_pika.connect(platform.logins.administrator_amqp_url)
    async with connection, open_pool(platform.logins.database_url("provisioner"), role="provisioner") as pool:
        channel = await connection.channel()
        exchange = await channel.get_exchange("certsmith.events", ensure=False)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("certsmith.events", "domain.changed")
        receipts = _Receipts()
        await queue.consume(receipts.hear, no_ack=True)

        async def tell(domain: str) -> None:
            async with pool.transaction() as transaction:
                data = DomainChanged(domain=domain, version=1, deleted=False)
                await outbox.publish(transaction, service="provisioner", event=Event(data=data, source="bench"))

        async def publish(domain: str) -> None:
            receipts.began[domain] = time.perf_counter()
            body = json.dumps({"domain": domain}).encode()
            await exchange.publish(aio_pika.Message(body), routing_key="domain.changed")

        await receipts.of_round(tell, count=RATE)
        for number in range(ROUNDS):
            rounds.append(await receipts.of_round(tell, count=EVENTS))
            peers += await receipts.of_round(publish, count=EVENTS)
            p50, p99 = (percentile(rounds[-1], share) * 1000 for share in (0.5, 0.99))
            print(f"  round {number + 1}: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    await platform.end_services()
    return [
        of_rounds(
            f"outbox_latency_{name}_seconds",
            [percentile(each, share) for each in rounds],
            unit="s",
            goal=goal,
            peer=_PEER,
            of_peer=percentile(peers, share),
        )
        for name, share, goal in (("p50", 0.5, 0.003), ("p99", 0.99, 0.020))
    ]


class _Receipts:
    """When events were committed, and when they came."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self._came: dict[str, float] = {}
        self._all_came = asyncio.Event()
        self._expected = 0

    async def hear(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Note a receipt."""
        self._came.setdefault(json.loads(message.body)["domain"], time.perf_counter())
        if len(self._came) >= self._expected:
            self._all_came.set()

    async def of_round(self, send: Send, *, count: int) -> list[float]:
        """Return how long each of *count* events took, sent at `RATE` a second."""
        self.began.clear()
        self._came.clear()
        self._all_came.clear()
        self._expected = count
        start = time.perf_counter()
        async with asyncio.timeout(120), asyncio.TaskGroup() as sending:
            for number in range(count):
                await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
                sending.create_task(self._one(send, f"{secrets.token_hex(8)}.example.com"))
        async with asyncio.timeout(120):
            await self._all_came.wait()
        return [self._came[domain] - began for domain, began in self.began.items()]

    async def _one(self, send: Send, domain: str) -> None:
        await send(domain)
        self.began.setdefault(domain, time.perf_counter())  # the commit, unless *send* says better
