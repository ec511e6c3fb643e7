"""Reads a platform's database rows, queues and published facts, and says what is still unsettled."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import aio_pika
import asyncpg

from dev.platform.logins import Logins
from dev.servers import RabbitMQ
from dev.waiting import until
from shared.messaging.broker.topology import all_queues

FACTS: Final = "e2e.facts"

_UNSETTLED: Final = """
SELECT format('the order for %s is %s: %s', names[1], state, coalesce(message, 'no trouble')) FROM provisioner.orders
WHERE state <> 'issued' AND cancelled_at IS NULL
UNION ALL SELECT format('the upload %s has no verdict', certificate_id) FROM validator.uploads
WHERE state = 'received'
UNION ALL SELECT format('the outbox of %s has %s for %s', service, type, key) FROM messaging.outbox
UNION ALL SELECT format('the challenge of %s is still answered', name) FROM registry.challenges
UNION ALL SELECT format('a dead letter of %s: %s', queue, reason) FROM messaging.dead_letters
"""
_VERDICTS: Final = ("certificate.ready", "certificate.rejected")


class Fact(NamedTuple):
    """A published fact; copies of it have the same id."""

    kind: str
    data: dict[str, Any]
    id: str

    def is_verdict_on(self, certificate_id: str) -> bool:
        """Say whether this fact is the verdict on the upload of *certificate_id*."""
        return self.kind in _VERDICTS and certificate_id in (self.data["certificate_id"], self.data.get("uploaded_as"))


class Ledger:
    """Reads the database and the broker with an administrator's login."""

    def __init__(self, logins: Logins, broker: RabbitMQ) -> None:
        self._logins: Final = logins
        self._broker: Final = broker
        self._facts: Final[list[Fact]] = []
        self._returned = 0  # how many of them `new_facts` has returned
        self._reading: Final = asyncio.Lock()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self._logins.administrator_url, timeout=10)
        try:
            yield connection
        finally:
            connection.terminate()

    async def value(self, query: str, *args: object) -> Any:
        """Return the first value of the first row."""
        async with self._connection() as connection:
            return await connection.fetchval(query, *args)

    async def rows(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Return all rows."""
        async with self._connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *args)]

    async def orders(self, host: str) -> list[dict[str, Any]]:
        """Return all orders ever made for *host*, oldest first."""
        query = "SELECT id, state, attempt, order_url, certificate_id, error_code, message FROM provisioner.orders"
        return await self.rows(f"{query} WHERE names = ARRAY[$1] ORDER BY created_at", host)

    async def issued(self) -> int:
        """Return how many orders have led to a certificate."""
        return int(await self.value("SELECT count(*) FROM provisioner.orders WHERE state = 'issued'"))

    async def unsettled(self) -> list[str]:
        """Return one sentence for each thing that is unfinished or went wrong; an empty list when all is settled."""
        found = [row["format"] for row in await self.rows(_UNSETTLED)]
        for queue in all_queues():
            figures = await self._broker.manage("GET", f"queues/{self._logins.name}/{queue}")
            if waiting := figures.get("messages", 0):
                found.append(f"{waiting} messages are in {queue}")
        return found

    async def listen(self) -> None:
        """Collect all facts from now on, in a separate queue that survives restarts of the broker."""
        connection = await aio_pika.connect(self._logins.administrator_amqp_url)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(FACTS, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind("certsmith.events", "#")

    async def new_facts(self) -> list[tuple[str, dict[str, Any]]]:
        """Return type and data of all facts published since the last call, copies included."""
        facts = await self.all_facts()
        new = facts[self._returned :]
        self._returned = len(facts)
        return [(fact.kind, fact.data) for fact in new]

    async def all_facts(self) -> list[Fact]:
        """Return all facts since `listen`, copies included."""
        async with self._reading:
            connection = await aio_pika.connect(self._logins.administrator_amqp_url)
            async with connection:
                channel = await connection.channel()
                queue = await channel.get_queue(FACTS, ensure=False)
                while message := await queue.get(no_ack=True, fail=False):
                    fact = Fact(message.routing_key or "", json.loads(message.body), message.message_id or "")
                    self._facts.append(fact)
        return list(self._facts)

    async def verdicts(self, certificate_id: str, *, count: int = 1) -> list[Fact]:
        """Return the verdicts on the upload of *certificate_id*, as soon as there are *count* different facts."""

        async def look() -> list[Fact]:
            found = {fact.id: fact for fact in await self.all_facts() if fact.is_verdict_on(certificate_id)}
            return list(found.values()) if len(found) >= count else []

        return await until(look, f"{count} verdicts on {certificate_id}", seen=lambda: len(self._facts))

    async def verdict(self, certificate_id: str) -> Fact:
        """Return the newest verdict on the upload of *certificate_id*, as soon as there is one."""
        return (await self.verdicts(certificate_id))[-1]
