"""Orders that a provisioner of the previous release and one of this release work on side by side.

The statements are those of the previous release, which knows `cancelled_at` and `checks = -1` only.
"""

from datetime import timedelta

import pytest

from services.provisioner.rules.orders import Order
from services.provisioner.store import orders
from services.provisioner.store.claims import Claims
from shared.errors import LostLeaseError
from shared.identifiers import DomainId, new_order_id
from shared.store import Pool
from tests.builders.stored_orders import store_orders

LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)

UNFINISHED = "state NOT IN ('issued', 'failed', 'parked') AND cancelled_at IS NULL"
CANCEL = f"UPDATE provisioner.orders SET cancelled_at = now(), updated_at = now() WHERE domain_id = $1 AND {UNFINISHED}"
RETRY = (
    "UPDATE provisioner.orders SET "
    "next_attempt_at = CASE WHEN lease_until > now() THEN next_attempt_at ELSE now() END, "
    f"checks = CASE WHEN lease_until > now() THEN -1 ELSE 0 END WHERE domain_id = $1 AND {UNFINISHED}"
)
CLAIM = (
    "UPDATE provisioner.orders SET "
    "lease_token = lease_token + 1, lease_until = now() + $1, next_attempt_at = now() + $1, "
    f"checks = greatest(checks, 0) WHERE {UNFINISHED} AND next_attempt_at <= now() RETURNING id"
)
KEEP = (
    "UPDATE provisioner.orders SET state = $2, checks = CASE WHEN checks >= 0 THEN 0 ELSE checks END, "
    "lease_until = now() + $3, next_attempt_at = now() + $3 "
    "WHERE id = $1 AND cancelled_at IS NULL AND lease_until > now() RETURNING id"
)
RELEASE = (
    "UPDATE provisioner.orders SET checks = CASE WHEN checks >= 0 THEN 1 ELSE 0 END, "
    "next_attempt_at = CASE WHEN checks >= 0 THEN now() + $2 ELSE now() END, lease_until = NULL "
    "WHERE id = $1 AND cancelled_at IS NULL AND lease_until > now() RETURNING next_attempt_at <= now() AS is_due"
)


async def claim(pool: Pool) -> tuple[Order, ...]:
    return await Claims(pool=pool, holder="this release", lease=LEASE).claim(10)


async def an_order_claimed_by_the_previous_release(pool: Pool, database_url: str) -> tuple[DomainId, str]:
    (domain_id,) = await store_orders(database_url, ("acme", timedelta()))
    async with pool.acquire() as connection:
        return domain_id, await connection.fetchval(CLAIM, LEASE)


async def test_an_order_that_the_previous_release_cancels_is_cancelled(pool: Pool, database_url: str) -> None:
    (domain_id,) = await store_orders(database_url, ("acme", timedelta()))

    async with pool.acquire() as connection:
        await connection.execute(CANCEL, domain_id)
        row = await connection.fetchrow("SELECT state, cancelled_at FROM provisioner.orders")

    assert row is not None
    assert row["state"] == "cancelled"
    assert not await claim(pool)


async def test_an_order_that_the_previous_release_cancels_is_lost_to_its_worker(pool: Pool, database_url: str) -> None:
    (domain_id,) = await store_orders(database_url, ("acme", timedelta()))
    (order,) = await claim(pool)

    async with pool.acquire() as connection:
        await connection.execute(CANCEL, domain_id)

        with pytest.raises(LostLeaseError):
            await orders.keep(connection, order, order, lease=LEASE)


async def test_an_order_that_this_release_cancels_is_lost_to_a_worker_of_the_previous_one(
    pool: Pool, database_url: str
) -> None:
    domain_id, order_id = await an_order_claimed_by_the_previous_release(pool, database_url)

    async with pool.transaction() as connection:
        await orders.cancel_orders(connection, domain_id)

    async with pool.acquire() as connection:
        assert await connection.fetchval(KEEP, order_id, "keyed", LEASE) is None
        assert await connection.fetchval(RELEASE, order_id, HOUR) is None
        assert await connection.fetchval(CLAIM, LEASE) is None


async def test_after_a_cancelled_order_another_for_the_same_need_can_be_opened(pool: Pool, database_url: str) -> None:
    (domain_id,) = await store_orders(database_url, ("acme", timedelta()))
    again = (
        "INSERT INTO provisioner.orders (id, domain_id, tenant, names, key_type, ca, reason, state) VALUES "
        "($1, $2, 'acme', '{shop-0.example.com}', 'ecdsa', 'https://ca', 'created', 'queued') "
        "ON CONFLICT DO NOTHING RETURNING id"
    )

    async with pool.acquire() as connection:
        before = await connection.fetchval(again, new_order_id(), domain_id)
        await connection.execute(CANCEL, domain_id)
        after = await connection.fetchval(again, new_order_id(), domain_id)

    assert before is None
    assert after is not None


async def test_a_retry_that_the_previous_release_asks_is_seen_by_a_worker_of_this_one(
    pool: Pool, database_url: str
) -> None:
    (domain_id,) = await store_orders(database_url, ("acme", timedelta()))
    (order,) = await claim(pool)

    async with pool.acquire() as connection:
        await connection.execute(RETRY, domain_id)
        await orders.keep(connection, order, order, lease=LEASE)
        await orders.release(connection, order, order, wait=HOUR)

    (again,) = await claim(pool)
    assert again.checks == 0
    async with pool.acquire() as connection:
        await orders.release(connection, again, again, wait=HOUR)
    assert not await claim(pool)


async def test_a_retry_that_this_release_asks_is_seen_by_a_worker_of_the_previous_one(
    pool: Pool, database_url: str
) -> None:
    domain_id, order_id = await an_order_claimed_by_the_previous_release(pool, database_url)

    async with pool.acquire() as connection:
        assert await orders.retry_now(connection, domain_id)
        await connection.execute(KEEP, order_id, "keyed", LEASE)
        assert await connection.fetchval(RELEASE, order_id, HOUR)
        assert await connection.fetchval(CLAIM, LEASE) == order_id
        assert await connection.fetchval(RELEASE, order_id, HOUR) is False


async def test_a_retry_asked_of_an_order_whose_worker_died_ends_with_the_next_claim(
    pool: Pool, database_url: str
) -> None:
    (domain_id,) = await store_orders(database_url, ("acme", timedelta()))
    await claim(pool)
    async with pool.acquire() as connection:
        await orders.retry_now(connection, domain_id)
        await connection.execute("UPDATE provisioner.orders SET next_attempt_at = now(), lease_until = now()")
        await connection.fetchval(CLAIM, LEASE)
        row = await connection.fetchrow("SELECT checks, retry_asked FROM provisioner.orders")

    assert row is not None
    assert (row["checks"], row["retry_asked"]) == (0, False)
