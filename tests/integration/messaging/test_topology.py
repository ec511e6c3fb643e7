"""The exchanges and queues on a real broker after `declare`, and what an outsider can do to them."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import aiormq
import pytest
import pytest_asyncio
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused
from pamqp.commands import Basic
from yarl import URL

from certsmith.migration import principals
from dev.ports import free_port
from dev.servers.broker import Broker
from dev.waiting import finished
from shared.errors import BrokerUnavailableError
from shared.messaging.broker import topology
from shared.messaging.broker.management import QueueStatistics, statistics
from shared.messaging.publisher import Publisher
from tests.rig.messaging.support import a_request, manager_url, until

Act = Callable[[AbstractChannel], Awaitable[Any]]


@pytest_asyncio.fixture
async def outsider_url(rabbitmq: Broker, bus: str, vhost: str) -> AsyncIterator[str]:
    """Yield the address of a user who may publish requests."""
    user = f"outsider-{secrets.token_hex(4)}"
    url = rabbitmq.url_for(user, "s3cret", vhost=vhost)
    await principals.permit(bus, manager_url(rabbitmq), {"publisher": url})
    yield url
    await rabbitmq.delete_user(user)


async def queue(rabbitmq: Broker, vhost: str, name: str) -> Any:
    """Return the management API's description of a queue, once it has the queue's policy."""
    path = f"queues/{quote(vhost, safe='')}/{name}"

    async def has_policy() -> bool:
        return "policy" in await rabbitmq.manage("GET", path)

    await until(has_policy, f"the policy of {name}")
    return await rabbitmq.manage("GET", path)


async def ready(bus: str, name: str) -> int:
    async with aiormq.Connection(bus) as connection:
        channel = await connection.channel()
        found = await channel.queue_declare(name, passive=True)
    return found.message_count or 0


# What is declared ----------------------------------------------------------------------------------------------------


async def test_declaring_again_changes_nothing(rabbitmq: Broker, bus: str) -> None:
    await topology.declare(bus, manager_url(rabbitmq))

    assert {await ready(bus, name) for name in topology.all_queues()} == {0}


@pytest.mark.usefixtures("bus")
async def test_every_queue_is_durable_and_quorum_and_has_its_policy(rabbitmq: Broker, vhost: str) -> None:
    for service in topology.SUBSCRIPTIONS:
        for name in topology.service_queues(service):
            found = await queue(rabbitmq, vhost, name)
            assert (found["type"], found["durable"], found["policy"]) == ("quorum", True, f"certsmith-{service}")
            assert found["effective_policy_definition"]["delivery-limit"] == topology.DELIVERY_LIMITS[service]
        for name in topology.kept_queues(service):
            found = await queue(rabbitmq, vhost, name)
            assert (found["type"], found["policy"]) == ("quorum", "certsmith-dead-letters")


@pytest.mark.usefixtures("bus")
async def test_dead_letters_are_moved_at_least_once(rabbitmq: Broker, vhost: str) -> None:
    found = await queue(rabbitmq, vhost, "provisioner.domain.created")

    definition = found["effective_policy_definition"]
    assert definition["dead-letter-strategy"] == "at-least-once"
    assert definition["overflow"] == "reject-publish"
    assert definition["dead-letter-routing-key"] == "provisioner.dead_letters"


async def test_a_request_waits_for_the_first_consumer(bus: str, publisher: Publisher) -> None:
    await publisher.publish(a_request())

    assert await ready(bus, "provisioner.domain.created") == 1


async def test_without_the_management_api_the_error_says_what_to_do(bus: str) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"does not answer .*rabbitmq-plugins enable.*AMQP_MANAGEMENT_URL"):
        await topology.declare(bus, f"http://guest:guest@127.0.0.1:{free_port()}")


async def test_with_a_wrong_password_the_error_says_what_to_do(rabbitmq: Broker, bus: str) -> None:
    wrong = manager_url(rabbitmq).replace(rabbitmq.password, "wrong")

    with pytest.raises(BrokerUnavailableError, match="tag `administrator`"):
        await topology.declare(bus, wrong)


# Statistics ----------------------------------------------------------------------------------------------------------


async def test_queue_statistics_come_from_the_management_api(rabbitmq: Broker, bus: str, publisher: Publisher) -> None:
    await publisher.publish(a_request())

    async def known() -> bool:
        found = await statistics(manager_url(rabbitmq), bus, ["provisioner.domain.created", "no.such.queue"])
        return found == (QueueStatistics(name="provisioner.domain.created", ready=1, unacked=0, consumers=0),)

    await until(known, "the statistics")


async def test_without_the_management_api_queue_statistics_come_by_amqp(bus: str, publisher: Publisher) -> None:
    await publisher.publish(a_request())

    found = await statistics(f"http://127.0.0.1:{free_port()}", bus, ["provisioner.domain.created", "no.such.queue"])

    assert found == (QueueStatistics(name="provisioner.domain.created", ready=1, unacked=None, consumers=0),)


# The outsider --------------------------------------------------------------------------------------------------------


async def test_an_outsider_publishes_requests(bus: str, outsider_url: str) -> None:
    async with Publisher(outsider_url, name="outsider") as publisher:
        await publisher.publish(a_request())

    assert await ready(bus, "provisioner.domain.created") == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda channel: channel.basic_publish(b"{}", exchange="certsmith.events", routing_key="certificate.ready"),
        lambda channel: channel.basic_publish(b"{}", exchange="", routing_key="provisioner.domain.created"),
        lambda channel: channel.basic_publish(b"{}", exchange="amq.topic", routing_key="certificate.ready"),
        lambda channel: channel.basic_publish(b"{}", exchange="certsmith.unroutable", routing_key="x"),
        lambda channel: channel.queue_declare("mine"),
        lambda channel: channel.queue_declare("terminator.node.mine", exclusive=True),
        lambda channel: channel.queue_declare("", exclusive=True),
        lambda channel: channel.exchange_declare("mine"),
        lambda channel: channel.exchange_delete("certsmith.public"),
        lambda channel: channel.queue_delete("provisioner.domain.created"),
        lambda channel: channel.queue_purge("provisioner.domain.created"),
        lambda channel: channel.queue_bind("provisioner.domain.created", "certsmith.public", "domain.deleted"),
        lambda channel: channel.queue_unbind("provisioner.domain.created", "certsmith.public", "domain.created"),
        lambda channel: channel.exchange_bind("certsmith.events", "certsmith.public", "#"),
        lambda channel: channel.basic_get("provisioner.domain.created"),
        lambda channel: channel.basic_consume("certsmith.unroutable", _ignore),
    ],
)
async def test_an_outsider_may_do_nothing_else(outsider_url: str, act: Act) -> None:
    async with aiormq.Connection(outsider_url) as connection:
        channel = await connection.channel()

        with pytest.raises(ChannelAccessRefused):
            await act(channel)


async def _ignore(_message: DeliveredMessage) -> None: ...


@pytest.mark.parametrize("header", ["CC", "BCC"])
async def test_carbon_copies_reach_no_other_exchange(bus: str, outsider_url: str, header: str) -> None:
    async with aiormq.Connection(bus) as admin, aiormq.Connection(outsider_url) as connection:
        observer = await admin.channel()
        await observer.queue_declare("observer", exclusive=True)
        await observer.queue_bind("observer", "certsmith.events", "#")
        channel = await connection.channel()
        copies: list[Any] = ["certificate.ready", "observer", "provisioner.dead_letters", "certificate.uploaded"]
        properties = Basic.Properties(headers={header: copies})

        await channel.basic_publish(
            b"{}", exchange="certsmith.public", routing_key="domain.created", properties=properties
        )

        seen = await observer.queue_declare("observer", passive=True)
        assert seen.message_count == 0
    assert await ready(bus, "provisioner.dead_letters") == 0
    # Another type's queue of the same exchange is reached; its consumer refuses what is not of its type.
    assert await ready(bus, "validator.certificate.uploaded") == 1


async def test_an_outsider_cannot_publish_as_another_user(rabbitmq: Broker, outsider_url: str) -> None:
    async with aiormq.Connection(outsider_url) as connection:
        channel = await connection.channel()
        properties = Basic.Properties(user_id=rabbitmq.user)

        with pytest.raises(aiormq.AMQPError, match="user_id"):
            await channel.basic_publish(
                b"{}", exchange="certsmith.public", routing_key="domain.created", properties=properties
            )


async def test_an_outsider_cannot_use_the_management_api(rabbitmq: Broker, outsider_url: str, vhost: str) -> None:
    login = outsider_url.partition("://")[2].partition("@")[0]
    api = rabbitmq.management_url.replace("://", f"://{login}@")
    name = quote(vhost, safe="")
    calls = (
        ("GET", "overview"),
        ("GET", "whoami"),
        ("GET", f"queues/{name}"),
        ("POST", f"exchanges/{name}/certsmith.events/publish"),
    )

    async with aiohttp.ClientSession() as session:
        statuses = []
        for method, path in calls:
            async with session.request(method, URL(f"{api}/api/{path}", encoded=True), json={}) as response:
                statuses.append(response.status)

    assert set(statuses) == {401}


async def test_a_message_that_no_queue_accepts_is_kept(bus: str, outsider_url: str) -> None:
    async with aiormq.Connection(outsider_url) as connection:
        channel = await connection.channel()
        await channel.basic_publish(b"{}", exchange="certsmith.public", routing_key="domain.creatd")

    assert await ready(bus, "certsmith.unroutable") == 1


async def test_the_administrator_is_left_unchanged(rabbitmq: Broker, bus: str) -> None:
    await principals.permit(bus, manager_url(rabbitmq), {"provisioner": bus, "publisher": bus})

    await finished(topology.declare(bus, manager_url(rabbitmq)), "the declaration")
