"""A process with a relay or a consumer that kills itself at one point: `crashing.py POINT AMQP_URL DATABASE_URL`.

It does so by wrapping the objects that the product is given, so the product's code is unchanged.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.events import DomainCreated, Incoming
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Subscription
from shared.messaging.message import Message
from shared.messaging.outbox.relay import Relay
from shared.messaging.publisher import Publisher
from shared.store import Connection, Pool, open_pool
from tests.rig.messaging.support import Effects

POINTS = ("before_publish", "after_publish", "before_commit", "before_ack")


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingSender:
    """Sends, and dies before or after it."""

    def __init__(self, publisher: Publisher, *, before: bool) -> None:
        self._publisher = publisher
        self._before = before

    async def send(self, message: Message, *, seconds: float) -> None:
        """Send *message*, or not."""
        if self._before:
            die()
        await self._publisher.send(message, seconds=seconds)
        die()


class DyingPool(Pool):
    """A pool that dies after its first commit."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a transaction, and die after its commit."""
        async with super().transaction() as connection:
            yield connection
        die()


async def main(point: str, amqp_url: str, database_url: str) -> None:
    """Run until the point is reached."""
    forever = asyncio.Event()
    async with open_pool(database_url, role="provisioner") as pool:
        if point in ("before_publish", "after_publish"):
            async with Publisher(amqp_url, name="crashing") as publisher:
                sender = DyingSender(publisher, before=point == "before_publish")
                await Relay(database_url, pool, sender, service="provisioner").run(forever)
        effects = Effects(pool)

        async def handle(connection: Connection, event: Incoming) -> None:
            await effects.handle(connection, event)
            if point == "before_commit":
                die()

        used = DyingPool(pool._pool) if point == "before_ack" else pool
        subscription = Subscription(DomainCreated.type, handle)
        await Consumer(amqp_url, used, service="provisioner", subscriptions=[subscription], handlers=1).run(forever)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
