"""Which orders a worker claims, and what a retry asked of a leased order does."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg

from services.provisioner.rules.ca_errors.verdict import Pace, Remedy, Verdict
from services.provisioner.rules.setbacks import Setbacks
from services.provisioner.store import orders
from services.provisioner.store.claims import _CLAIM_BY_TENANT, _CLAIM_OF_FEW, Claims
from shared.events import ErrorCode
from shared.store import Pool
from tests.builders.stored_orders import store_orders

LEASE = timedelta(seconds=30)


def claims(pool: Pool) -> Claims:
    return Claims(pool=pool, holder="worker-1", lease=LEASE)


async def test_a_due_order_is_found_at_once_however_many_tenants_wait_for_their_dns(
    pool: Pool, database_url: str
) -> None:
    waiting = [(f"tenant-{number:05}", timedelta(hours=1)) for number in range(3000)]
    *_, due = await store_orders(database_url, *waiting, ("tenant-last", timedelta()))

    found = await claims(pool).claim(10)

    assert [order.domain_id for order in found] == [due]


async def test_a_tenant_with_very_many_due_orders_does_not_delay_another(pool: Pool, database_url: str) -> None:
    many = [("aaa", timedelta(seconds=-60))] * 1500
    *_, other = await store_orders(database_url, *many, ("zzz", timedelta()))

    found = await claims(pool).claim(10)

    assert len(found) == 10
    assert other in {order.domain_id for order in found}


async def test_few_due_orders_are_claimed_tenant_by_tenant_too(pool: Pool, database_url: str) -> None:
    many = [("aaa", timedelta(seconds=-60))] * 20
    *_, other = await store_orders(database_url, *many, ("zzz", timedelta()))

    found = await claims(pool).claim(2)

    assert other in {order.domain_id for order in found}


async def test_concurrent_workers_never_claim_the_same_order(pool: Pool, database_url: str) -> None:
    await store_orders(database_url, *[("aaa", timedelta())] * 30)

    found = await asyncio.gather(*(claims(pool).claim(10) for _ in range(4)))

    taken = [order.id for orders_ in found for order in orders_]
    assert len(taken) == len(set(taken))


async def test_an_order_that_the_ca_forgets_repeatedly_is_created_again_at_growing_intervals(
    pool: Pool, database_url: str
) -> None:
    forgotten = Verdict(
        remedy=Remedy.FRESH_ORDER, error_code=ErrorCode.AUTHORITY_ERROR, message="", pace=Pace.QUICK, counts=False
    )
    setbacks = Setbacks(slow_seconds=(1.0,), dns_poll_seconds=5.0, dice=lambda: 0.0, clock=lambda: datetime.now(UTC))
    await store_orders(database_url, ("acme", timedelta()))
    owner = await asyncpg.connect(database_url)
    waits = []
    for _ in range(4):
        await owner.execute("UPDATE provisioner.orders SET state = 'ordering', next_attempt_at = now()")
        (order,) = await claims(pool).claim(1)
        setback = setbacks.try_failed(order, forgotten)
        async with pool.transaction() as connection:
            await orders.release(connection, order, setback.after, wait=setback.wait, trouble=setback.trouble)
        waits.append(
            await owner.fetchval(
                "SELECT extract(epoch FROM next_attempt_at - updated_at)::float8 FROM provisioner.orders"
            )
        )
    await owner.close()

    assert waits == [1.0, 3.0, 10.0, 30.0]


async def test_a_retry_asked_of_a_leased_order_makes_it_due_when_it_is_released(pool: Pool, database_url: str) -> None:
    (domain_id,) = await store_orders(database_url, ("acme", timedelta()))
    (order,) = await claims(pool).claim(1)

    async with pool.transaction() as connection:
        assert await orders.retry_now(connection, domain_id)
        assert not await claims(pool).claim(1)  # it stays leased to its worker
        await orders.release(connection, order, order, wait=timedelta(hours=1))

    (again,) = await claims(pool).claim(1)
    assert again.checks == 0
    async with pool.transaction() as connection:
        await orders.release(connection, again, again, wait=timedelta(hours=1))
    assert not await claims(pool).claim(1)


async def test_due_orders_are_found_by_their_index_however_many_are_finished(pool: Pool, database_url: str) -> None:
    await store_orders(database_url, *[("acme", timedelta())] * 3000)
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE provisioner.orders SET state = 'issued' WHERE names[1] <> 'shop-0.example.com'")
    await owner.execute("VACUUM ANALYZE provisioner.orders")
    await owner.close()

    async with pool.acquire() as connection:
        few = await connection.fetch(f"EXPLAIN {_CLAIM_OF_FEW}", 10, "worker-1", LEASE, 1000)
        many = await connection.fetch(f"EXPLAIN {_CLAIM_BY_TENANT}", 10, "worker-1", LEASE, None, 1000)

    assert "using orders_unfinished on orders" in str(few)
    assert "using orders_unfinished_by_tenant on orders" in str(many)
