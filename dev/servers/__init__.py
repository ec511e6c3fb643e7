"""Private servers on loopback, with their own ports and data, which end when the process that started them ends.

`start` of each class returns a server that is ready; `together` starts all requested servers at the same time, which
takes as long as the slowest, RabbitMQ.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dev.servers.pebble import Behaviour, Pebble
from dev.servers.postgresql import PostgreSQL
from dev.servers.rabbitmq import RabbitMQ
from dev.servers.server import Server

__all__ = ["Behaviour", "Pebble", "PostgreSQL", "RabbitMQ", "Servers", "together"]

S = TypeVar("S", bound=Server)


@dataclass(frozen=True, slots=True)
class Servers:
    """The requested servers."""

    rabbitmq: RabbitMQ | None
    postgresql: PostgreSQL | None
    pebble: Pebble | None


@asynccontextmanager
async def together(
    folder: Path,
    *,
    rabbitmq: bool = True,
    postgresql: bool = True,
    pebble: bool = True,
    behaviour: Behaviour | None = None,
) -> AsyncIterator[Servers]:
    """Start the requested servers at the same time, and end them when the block ends or one does not start."""
    async with AsyncExitStack() as stack:

        async def begin(starting: Coroutine[Any, Any, S]) -> S:
            server = await starting
            stack.push_async_callback(server.end)
            return server

        async with asyncio.TaskGroup() as group:
            broker = group.create_task(begin(RabbitMQ.start(folder / "rabbitmq"))) if rabbitmq else None
            database = group.create_task(begin(PostgreSQL.start(folder / "postgresql"))) if postgresql else None
            authority = group.create_task(begin(Pebble.start(folder / "pebble", behaviour))) if pebble else None
        yield Servers(
            rabbitmq=None if broker is None else broker.result(),
            postgresql=None if database is None else database.result(),
            pebble=None if authority is None else authority.result(),
        )
