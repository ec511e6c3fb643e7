"""Records facts as they are published, each with the instant at which it was received."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from dev.waiting import until

FACTS: Final = "certsmith.events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact, and when it was here, by the clock that all processes of a machine share (`time.monotonic`)."""

    type: str
    data: dict[str, Any]
    at: float


@dataclass(slots=True)
class FactRecorder:
    """All facts since the recorder began, in the order in which they came."""

    facts: list[Fact] = field(default_factory=list)

    def all_of(self, kind: str) -> list[Fact]:
        """Return the facts of type *kind*."""
        return [fact for fact in self.facts if fact.type == kind]

    async def fact(self, kind: str, holds: Callable[[dict[str, Any]], bool]) -> Fact:
        """Return the first fact of type *kind* for whose data *holds* returns true, as soon as it is published."""

        async def look() -> Fact | None:
            return next((fact for fact in self.all_of(kind) if holds(fact.data)), None)

        found = await until(look, lambda: f"a {kind}; {[fact.data for fact in self.all_of(kind)][-5:]} were published")
        assert found is not None
        return found

    async def deployment(self, host: str, node: str, *, after: int = 0) -> Fact:
        """Return the fact that *node* serves *host* at a version above *after*, as soon as it is published."""
        return await self.fact(
            "certificate.deployed",
            lambda data: data["domain"] == host and data["node"] == node and data["version"] > after,
        )


@asynccontextmanager
async def recording_facts(amqp_url: str) -> AsyncIterator[FactRecorder]:
    """Yield a recorder of all facts from now on, for the length of the block."""
    recorder = FactRecorder()

    async def record(message: AbstractIncomingMessage) -> None:
        at = time.monotonic()
        recorder.facts.append(Fact(type=message.routing_key or "", data=json.loads(message.body), at=at))

    connection = await aio_pika.connect(amqp_url)
    try:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(FACTS, "#")
        await queue.consume(record, no_ack=True)
        yield recorder
    finally:
        await asyncio.shield(connection.close())
