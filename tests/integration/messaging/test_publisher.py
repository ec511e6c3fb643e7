"""Publishing to a real broker."""

import asyncio

import aiormq
import pytest

from dev.ports import free_port
from shared.errors import BrokerUnavailableError, SettingsError
from shared.events import DomainChanged, Event
from shared.messaging.publisher import Publisher
from tests.rig.messaging.support import a_request


async def test_what_was_published_is_persistent_and_says_who_published_it(bus: str, publisher: Publisher) -> None:
    event = a_request()

    await publisher.publish(event)

    async with aiormq.Connection(bus) as connection:
        channel = await connection.channel()
        message = await channel.basic_get("provisioner.domain.created")
    properties = message.header.properties
    assert (properties.delivery_mode, properties.message_id, properties.user_id) == (2, event.id, "certsmith")


async def test_many_may_be_published_at_once(bus: str, publisher: Publisher) -> None:
    await asyncio.gather(*(publisher.publish(a_request()) for _ in range(500)))

    async with aiormq.Connection(bus) as connection:
        channel = await connection.channel()
        found = await channel.queue_declare("provisioner.domain.created", passive=True)
    assert found.message_count == 500


async def test_a_fact_needs_no_listener(publisher: Publisher) -> None:
    await publisher.publish(Event(data=DomainChanged(domain="a.example", version=1, deleted=False), source="test"))


async def test_a_request_that_no_queue_accepts_is_an_error(bus: str) -> None:
    async with aiormq.Connection(bus) as connection:
        channel = await connection.channel()
        await channel.queue_delete("provisioner.domain.created")
        await channel.exchange_delete("certsmith.unroutable")

    async with Publisher(bus, name="test") as publisher:
        with pytest.raises(BrokerUnavailableError, match="run `certsmith migrate`"):
            await publisher.publish(a_request(), seconds=1)


async def test_without_exchanges_the_error_says_what_to_do(amqp_url: str) -> None:
    async with Publisher(amqp_url, name="test") as publisher:
        with pytest.raises(BrokerUnavailableError, match="run `certsmith migrate`"):
            await publisher.publish(a_request(), seconds=1)


async def test_without_a_broker_it_tries_until_its_deadline() -> None:
    began = asyncio.get_running_loop().time()
    async with Publisher(f"amqp://127.0.0.1:{free_port()}", name="test") as publisher:
        with pytest.raises(BrokerUnavailableError, match=r"does not answer .*check that it runs, and AMQP_URL"):
            await publisher.publish(a_request(), seconds=1)

    assert 0.3 < asyncio.get_running_loop().time() - began < 3


async def test_a_wrong_password_is_named_without_showing_it(bus: str) -> None:
    user, _, rest = bus.partition("://")[2].partition(":")
    wrong = f"amqp://{user}:wr0ng@{rest.partition('@')[2]}"

    async with Publisher(wrong, name="test") as publisher:
        with pytest.raises(BrokerUnavailableError, match="check user and password in AMQP_URL") as caught:
            await publisher.publish(a_request(), seconds=0.5)

    assert "wr0ng" not in str(caught.value)


async def test_a_virtual_host_that_is_missing_is_named(bus: str) -> None:
    async with Publisher(f"{bus}-missing", name="test") as publisher:
        with pytest.raises(BrokerUnavailableError, match="check the virtual host in AMQP_URL"):
            await publisher.publish(a_request(), seconds=0.5)


def test_an_address_that_is_not_amqp_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="AMQP_URL"):
        Publisher("http://127.0.0.1:15672", name="test")


async def test_a_publisher_goes_on_after_its_connection_was_cut(publisher: Publisher) -> None:
    await publisher.publish(a_request())
    session = publisher._session
    assert session is not None
    session.cut()

    await publisher.publish(a_request())

    assert publisher.is_connected
