"""From the commit of a change to the receipt of its event, at 200 events a second.

The relay of a provisioner process sends; this process commits events as the provisioner and receives them. The peer is
the same broker without an outbox: publish with confirm, in this process, to the same queue.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
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


async def measure(platform: Platform, _other_tree: Path | None = None) -> list[Result]:
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
        await queue.consume(receipts.on_message, no_ack=True)

        async def commit(domain: str) -> None:
            async with pool.transaction() as transaction:
                data = DomainChanged(domain=domain, version=1, deleted=False)
                await outbox.publish(transaction, service="provisioner", event=Event(data=data, source="bench"))

        async def publish(domain: str) -> None:
            receipts.began[domain] = time.perf_counter()
            body = json.dumps({"domain": domain}).encode()
            await exchange.publish(aio_pika.Message(body), routing_key="domain.changed")

        await receipts.of_round(commit, count=RATE)
        for number in range(ROUNDS):
            rounds.append(await receipts.of_round(commit, count=EVENTS))
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
    """The times when events were committed, and when they arrived."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self._arrived: dict[str, float] = {}
        self._all_arrived = asyncio.Event()
        self._expected = 0

    async def on_message(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Store the time of a receipt."""
        self._arrived.setdefault(json.loads(message.body)["domain"], time.perf_counter())
        if len(self._arrived) >= self._expected:
            self._all_arrived.set()

    async def of_round(self, send: Send, *, count: int) -> list[float]:
        """Return how long each of *count* events took, sent at `RATE` a second."""
        self.began.clear()
        self._arrived.clear()
        self._all_arrived.clear()
        self._expected = count
        start = time.perf_counter()
        async with asyncio.timeout(120), asyncio.TaskGroup() as sending:
            for number in range(count):
                await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
                sending.create_task(self._one(send, f"{secrets.token_hex(8)}.example.com"))
        async with asyncio.timeout(120):
            await self._all_arrived.wait()
        return [self._arrived[domain] - began for domain, began in self.began.items()]

    async def _one(self, send: Send, domain: str) -> None:
        await send(domain)
        self.began.setdefault(domain, time.perf_counter())  # the time of the commit, unless *send* has set it
