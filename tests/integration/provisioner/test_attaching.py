"""Requests to attach and detach, by the provisioner's handlers; in the database only."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
import pytest_asyncio

from services.provisioner.handlers import Handlers
from shared.errors import RefusedError
from shared.events import Cause, Data, DomainCreated, DomainRejected, DomainUpdated, Incoming
from shared.names import Name
from shared.registry import domains
from shared.store import Connection, Pool, open_pool
from tests.builders import stored_rows

HANDLERS = Handlers(ca="https://ca.example/directory")
NAME = Name("shop.example.com")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the provisioner's rights."""
    async with open_pool(database_url, role="provisioner", max_size=4) as opened:
        yield opened


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Yield a connection of the tables' owner."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def event(data: Data) -> Incoming:
    return Incoming(
        data=data,
        id=secrets.token_hex(8),
        source="/platform",
        user_id="",
        time=None,
        received_at=datetime.now(UTC),
        cause=Cause("c"),
    )


async def create(pool: Pool, **data: object) -> None:
    async with pool.transaction() as connection:
        request = DomainCreated.model_validate({"domain": NAME, **data})
        await HANDLERS.on_domain_created(connection, event(request))


async def update(pool: Pool, **data: object) -> None:
    async with pool.transaction() as connection:
        request = DomainUpdated.model_validate({"domain": NAME, **data})
        await HANDLERS.on_domain_updated(connection, event(request))


async def attached(owner: Connection) -> str | None:
    certificate_id: str | None = await owner.fetchval("SELECT attached_certificate_id FROM registry.domains")
    return certificate_id


async def published(owner: Connection) -> list[str]:
    rows = await owner.fetch("SELECT type FROM messaging.outbox ORDER BY id")
    return [row["type"] for row in rows]


async def open_orders(owner: Connection) -> int:
    count: int = await owner.fetchval(
        "SELECT count(*) FROM provisioner.orders WHERE finished_at IS NULL AND cancelled_at IS NULL"
    )
    return count


async def test_a_domain_is_hosted_with_a_customers_own_certificate_alone(pool: Pool, owner: Connection) -> None:
    certificate_id = await stored_rows.store(owner, stored_rows.make(NAME), source="uploaded")

    await create(pool, attached_certificate_id=certificate_id, certificate_management_policy=None)

    assert await attached(owner) == certificate_id
    assert await published(owner) == ["domain.changed"]
    assert await open_orders(owner) == 0


async def test_creating_again_without_the_field_keeps_the_certificate_and_null_detaches_it(
    pool: Pool, owner: Connection
) -> None:
    certificate_id = await stored_rows.store(owner, stored_rows.make(NAME), source="uploaded")
    await create(pool, attached_certificate_id=certificate_id)

    await create(pool, upstream="tcp://10.0.0.7:80")
    after_no_word = await attached(owner)
    await create(pool, upstream="tcp://10.0.0.7:80", attached_certificate_id=None)

    assert after_no_word == certificate_id
    assert await attached(owner) is None


async def test_attaching_and_detaching_are_published(pool: Pool, owner: Connection) -> None:
    certificate_id = await stored_rows.store(owner, stored_rows.make(NAME), source="uploaded")
    await create(pool, certificate_management_policy=None)

    await update(pool, attached_certificate_id=certificate_id)
    while_attached = await attached(owner)
    await update(pool, attached_certificate_id=None)

    assert while_attached == certificate_id
    assert await attached(owner) is None
    assert await published(owner) == ["domain.changed"] * 3


@pytest.mark.parametrize("has_automatic", [True, False])
async def test_detaching_orders_an_automatic_certificate_if_there_is_none(
    pool: Pool, owner: Connection, *, has_automatic: bool
) -> None:
    certificate_id = await stored_rows.store(owner, stored_rows.make(NAME), source="uploaded")
    await create(pool, attached_certificate_id=certificate_id)
    await owner.execute("UPDATE provisioner.orders SET state = 'issued', finished_at = now()")
    domain_id = await owner.fetchval("SELECT id FROM registry.domains")
    if has_automatic:
        async with pool.transaction() as connection:
            automatic_id = await stored_rows.store(connection, stored_rows.make(NAME))
            await domains.set_automatic_certificate(connection, domain_id, automatic_id)

    await update(pool, attached_certificate_id=None)

    assert await open_orders(owner) == (0 if has_automatic else 1)


async def test_a_certificate_for_other_names_is_rejected_with_both_lists(pool: Pool, owner: Connection) -> None:
    certificate_id = await stored_rows.store(
        owner, stored_rows.make("a.example.com", "b.example.com"), source="uploaded"
    )
    await create(pool)

    with pytest.raises(RefusedError) as caught:
        await update(pool, attached_certificate_id=certificate_id)

    fact = caught.value.fact
    assert isinstance(fact, DomainRejected)
    assert [reason.code for reason in fact.reasons] == ["certificate_unfit"]
    assert "for a.example.com, b.example.com, not for shop.example.com" in fact.reasons[0].message


async def test_a_certificate_in_the_tls_policy_must_be_the_tenants(pool: Pool, owner: Connection) -> None:
    made = stored_rows.make(NAME, tenant="other")
    certificate_id = await stored_rows.store(owner, made, tenant="other", source="uploaded")

    with pytest.raises(RefusedError, match="no certificate"):
        await create(pool, terminate_tls={"server_certificate_id": certificate_id})
