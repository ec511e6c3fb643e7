"""What `certsmith migrate` does on the broker can be done by several processes at once, and repeated."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika

from certsmith.migration import principals
from dev.servers.broker import Broker
from shared.messaging.broker import topology
from shared.messaging.broker.management import ManagementApi
from tests.rig.messaging.support import manager_url

MIGRATES = 4  # at once; RabbitMQ 3.10 refuses one of them in nearly every round
ROUNDS = 5


@asynccontextmanager
async def losing_the_first_answer(broker: Broker) -> AsyncIterator[str]:
    """Yield an address of *broker*'s management API, where the first request is carried out and not answered."""
    scheme, _, rest = manager_url(broker).partition("://")
    login, _, address = rest.partition("@")
    host, _, port = address.partition(":")
    lost = False

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lost
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(carry(reader, far_writer))
            first = await far_reader.read(65536)
            if not lost:
                lost = True
                writer.transport.abort()
            writer.write(first)
            await carry(far_reader, writer)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"{scheme}://{login}@127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_users_can_be_made_by_several_migrates_at_once(rabbitmq: Broker, amqp_url: str, vhost: str) -> None:
    for _ in range(ROUNDS):
        users = {
            principal: rabbitmq.url_for(f"{principal}-{secrets.token_hex(4)}", "s3cret", vhost=vhost)
            for principal in principals.PRINCIPALS
        }

        await asyncio.gather(
            *(principals.permit(amqp_url, manager_url(rabbitmq), users) for _ in range(MIGRATES)),
        )

        for url in users.values():
            async with await aio_pika.connect(url):
                pass


async def test_queues_and_policies_can_be_made_by_several_migrates_at_once(rabbitmq: Broker, amqp_url: str) -> None:
    url = manager_url(rabbitmq)

    await asyncio.gather(*(topology.declare(amqp_url, url, settle_seconds=0) for _ in range(MIGRATES)))

    await topology.declare(amqp_url, url, settle_seconds=0)


async def test_a_change_whose_answer_was_lost_is_made_again(rabbitmq: Broker, vhost: str) -> None:
    user = f"user-{secrets.token_hex(4)}"

    async with losing_the_first_answer(rabbitmq) as url, ManagementApi.open(url, vhost=vhost) as api:
        await api.set_user(user, "s3cret")
        await api.set_permissions(user, configure="", write="", read="")

    async with await aio_pika.connect(rabbitmq.url_for(user, "s3cret", vhost=vhost)):
        pass
