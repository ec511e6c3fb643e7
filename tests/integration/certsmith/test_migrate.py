"""`certsmith migrate` creates everything that services need, and a login for each address."""

import secrets
from collections.abc import AsyncIterator

import pytest_asyncio

from dev.servers.broker import Broker
from dev.servers.database import DatabaseServer
from shared.store import open_connection
from tests.rig.command_line import certsmith


@pytest_asyncio.fixture
async def publisher(rabbitmq: Broker) -> AsyncIterator[str]:
    """Yield the name of a broker user that is made by the test."""
    name = f"publisher-{secrets.token_hex(6)}"
    yield name
    await rabbitmq.delete_user(name)


async def test_each_login_has_the_rights_of_its_part_and_no_others(
    rabbitmq: Broker, postgresql: DatabaseServer, vhost: str, empty_database_url: str, publisher: str
) -> None:
    password, database = secrets.token_urlsafe(12), empty_database_url.rpartition("/")[2]
    management_url = rabbitmq.management_url.replace("//", f"//{rabbitmq.user}:{rabbitmq.password}@")
    own = {
        "PUBLISHER_AMQP_URL": rabbitmq.url_for(publisher, password, vhost=vhost),
        "OPERATOR_DATABASE_URL": postgresql.url_of(database, user="certsmith_operator", password=password),
    }
    environment = {
        "AMQP_URL": rabbitmq.url_for(rabbitmq.user, rabbitmq.password, vhost=vhost),
        "AMQP_MANAGEMENT_URL": management_url,
        "DATABASE_URL": empty_database_url,
        **own,
    }

    migrated = await certsmith("migrate", "--json", environment=environment)
    again = await certsmith("migrate", environment=environment)
    published = await certsmith("publish", "domain-deleted", "a.example.com", environment=own)
    listed = await certsmith("domains", environment=own)

    assert (migrated.code, again.code, published.code, listed.code) == (0, 0, 0, 0)
    assert migrated.document["schema"]["logins"] == ["operator"]
    assert migrated.document["broker"]["users"] == ["publisher"]
    assert "provisioner.domain.created" in migrated.document["broker"]["queues"]
    assert password not in migrated.out + again.out + again.err
    async with open_connection(own["OPERATOR_DATABASE_URL"], role="operator") as connection:
        assert await connection.fetchval("SELECT session_user = 'certsmith_operator'")


async def test_it_waits_for_servers_no_longer_than_requested() -> None:
    environment = {"DATABASE_URL": "postgresql://me@127.0.0.1:9/x", "AMQP_URL": "amqp://127.0.0.1:9/"}

    answer = await certsmith("migrate", "--wait", "0.5", "--json", environment=environment)

    assert (answer.code, answer.document["error"]["code"]) == (69, "database_unavailable")
