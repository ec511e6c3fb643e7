"""The surroundings of a validator under test: broker, database, key rings, and the facts that it publishes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import asyncpg
from aio_pika.abc import AbstractIncomingMessage

from dev import waiting
from dev.platform.uploading import UPLOADED, Uploader
from dev.waiting import finished
from services.validator.app import OUTSIDE, Outside, serve
from services.validator.settings import ValidatorSettings
from shared.vault import KeyFiles


@dataclass(frozen=True, slots=True)
class Fact:
    """A published fact: its type, its data, and its message's headers."""

    type: str
    data: dict[str, Any]
    headers: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Rig:
    """A broker, a database, key rings, a customer's program, and the facts *published* so far."""

    amqp_url: str
    database: asyncpg.Pool
    database_url: str
    keys: KeyFiles
    uploader: Uploader
    published: list[Fact] = field(default_factory=list)

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Record every published fact while the block runs."""
        connection = await aio_pika.connect(self.amqp_url)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind("certsmith.events", "#")
            await queue.consume(self._record, no_ack=True)
            yield

    async def _record(self, message: AbstractIncomingMessage) -> None:
        self.published.append(Fact(message.routing_key or "", json.loads(message.body), dict(message.headers)))

    async def fact(self, event_type: str, count: int = 1, **data: Any) -> Fact:
        """Return the *count*th fact of this type with this *data*, once it is published."""

        async def look() -> Fact | None:
            found = self.facts(event_type, **data)
            return found[count - 1] if len(found) >= count else None

        fact = await waiting.until(look, f"{event_type} {data}", seen=lambda: len(self.published))
        assert fact is not None
        return fact

    def facts(self, event_type: str, **data: Any) -> list[Fact]:
        """Return the facts of this type with this *data* that were published so far."""
        return [
            fact
            for fact in self.published
            if fact.type == event_type and all(fact.data.get(name) == value for name, value in data.items())
        ]

    async def publish(self, data: object, *, event_type: str = UPLOADED, **headers: str) -> None:
        """Publish a bare JSON body, or a binary CloudEvent when *headers* has its attributes."""
        connection = await aio_pika.connect(self.amqp_url)
        async with connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange("certsmith.public", ensure=False)
            message = aio_pika.Message(
                json.dumps(data).encode(),
                content_type="application/json",
                headers={f"ce-{name}": value for name, value in headers.items()},
            )
            await exchange.publish(message, routing_key=event_type)

    async def put(self, queue: str, data: object, *, death: Any, **headers: str) -> None:
        """Put a CloudEvent into *queue*, as the broker does with a message whose delivery it gave up."""
        connection = await aio_pika.connect(self.amqp_url)
        async with connection:
            channel = await connection.channel()
            message = aio_pika.Message(
                json.dumps(data).encode(),
                content_type="application/json",
                headers={"x-death": [death], **{f"ce-{name}": value for name, value in headers.items()}},
            )
            await channel.default_exchange.publish(message, routing_key=queue)

    async def until(self, query: str, *args: object) -> Any:
        """Repeat *query* until its value is true, and return that."""
        return await waiting.until(lambda: self.database.fetchval(query, *args), query)

    async def upload_row(self, certificate_id: str) -> asyncpg.Record:
        """Return the row of the upload."""
        row = await self.database.fetchrow("SELECT * FROM validator.uploads WHERE certificate_id = $1", certificate_id)
        assert row is not None
        return row

    @asynccontextmanager
    async def validator(self, *, outside: Outside = OUTSIDE, **settings: Any) -> AsyncIterator[asyncio.Task[None]]:
        """Run a validator for the length of the block, and stop it as a signal would."""
        stop = asyncio.Event()
        given = {"amqp_url": self.amqp_url, "database_url": self.database_url, "judges": 1, **settings}
        task = asyncio.create_task(serve(ValidatorSettings(**given), self.keys, stop, outside=outside))
        try:
            yield task
            stop.set()
            await finished(task, "the validator to stop")
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
