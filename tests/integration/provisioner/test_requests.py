"""Orders after concurrent requests, by the handlers; in the database only."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from dev.waiting import within
from services.provisioner.handlers import Handlers
from services.provisioner.rules.budgets import Allowances
from services.provisioner.store import budgets
from shared.errors import RefusedError
from shared.events import Cause, CertificateRenewalRequested, Data, DomainCreated, DomainDeleted, Incoming
from shared.names import Name
from shared.registry import domains
from shared.store import Pool, open_pool

HANDLERS = Handlers(ca="https://ca.example/directory")
NAME = Name("shop.example.com")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the provisioner's rights."""
    async with open_pool(database_url, role="provisioner", max_size=4) as opened:
        yield opened


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


async def unfinished(database_url: str) -> list[str]:
    """Return the tenants with an unfinished order."""
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT tenant FROM provisioner.orders WHERE finished_at IS NULL AND cancelled_at IS NULL ORDER BY tenant"
    )
    await connection.close()
    return [row["tenant"] for row in rows]


async def test_a_renewal_concurrent_with_a_deletion_opens_no_order_for_the_deleted_domain(
    pool: Pool, database_url: str
) -> None:
    async with pool.transaction() as connection:
        await HANDLERS.on_domain_created(connection, event(DomainCreated(domain=NAME, tenant="acme")))

    async def renew() -> None:
        async with pool.transaction() as connection:
            request = event(CertificateRenewalRequested(domain=NAME, tenant="acme"))
            await HANDLERS.on_certificate_renewal_requested(connection, request)

    async with pool.transaction() as connection:
        await HANDLERS.on_domain_deleted(connection, event(DomainDeleted(domain=NAME, tenant="acme")))
        renewing = asyncio.create_task(renew())
        async with within("the renewal to wait for the row, or to be done"):
            while not renewing.done() and not await connection.fetchval(
                "SELECT count(*) FROM pg_locks WHERE NOT granted"
            ):
                await asyncio.sleep(0.01)
    with pytest.raises(RefusedError, match="not registered"):
        await renewing

    assert await unfinished(database_url) == []


async def test_a_name_lost_to_another_tenant_can_come_back_when_that_tenant_deletes_it(
    pool: Pool, database_url: str
) -> None:
    for tenant in ("first", "second"):
        async with pool.transaction() as connection:
            await HANDLERS.on_domain_created(connection, event(DomainCreated(domain=NAME, tenant=tenant)))
    async with pool.transaction() as connection:
        second = await domains.find(connection, tenant="second", name=NAME)
        assert second is not None
        await domains.transfer_name(connection, second.id)
    owner = await asyncpg.connect(database_url)  # the first one's order ended when its domain had lost the name
    await owner.execute("UPDATE provisioner.orders SET state = 'issued', finished_at = now() WHERE tenant = 'first'")
    await owner.close()

    async with pool.transaction() as connection:
        await HANDLERS.on_domain_deleted(connection, event(DomainDeleted(domain=NAME, tenant="second")))

    assert await unfinished(database_url) == ["first"]


async def test_closing_a_limit_takes_no_tokens_from_it(pool: Pool) -> None:
    raised = Allowances(certificates_per_week=500).of_registered_domain("https://ca", NAME)
    async with pool.transaction() as connection:
        await budgets.take(connection, [raised])

    async with pool.transaction() as connection:
        await budgets.close(connection, Allowances().of_registered_domain("https://ca", NAME), for_=timedelta(0))

    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT tokens FROM provisioner.budgets") == 499


async def test_a_limit_can_be_closed_before_the_first_token_is_taken(pool: Pool) -> None:
    limit = Allowances().of_registered_domain("https://ca", NAME)
    async with pool.transaction() as connection:
        await budgets.close(connection, limit, for_=timedelta(hours=1))

    with pytest.raises(budgets.BudgetExhaustedError):
        async with pool.transaction() as connection:
            await budgets.take(connection, [limit])
