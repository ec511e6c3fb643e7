"""Which uploads a validator is given, and what one may still write whose lease has ended."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.validator.rules.uploads import Upload, Waiting
from services.validator.store import claims, uploads, verdicts
from services.validator.store.claims import Claims
from shared.errors import LostLeaseError
from shared.events import NO_CAUSE, EventReason
from shared.identifiers import CertificateId
from shared.store import Pool

LEASE = timedelta(seconds=30)
REASON = EventReason(code="bad", message="it is bad", where="bundle")


def an_upload(number: int, tenant: str) -> Upload:
    return Upload(
        certificate_id=CertificateId(f"cert_{tenant}_{number}"),
        tenant=tenant,
        content_sha256=bytes(32),
        bundle="pem",
        sealed=b"sealed",
        intake_key_id="key",
        attach=(),
        description="",
        metadata="",
        requested_at=datetime.now(UTC),
        cause=NO_CAUSE,
        reasons=(),
    )


async def receive(pool: Pool, *tenants: str) -> None:
    """Store an upload for each of *tenants*, in this order."""
    for number, tenant in enumerate(tenants):
        async with pool.transaction() as connection:
            assert await uploads.receive(connection, an_upload(number, tenant))


def a_worker(pool: Pool, name: str = "worker-1") -> Claims:
    return Claims(pool=pool, holder=name, lease=LEASE)


async def end_leases(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE validator.uploads SET lease_until = now() - interval '1s', next_attempt_at = now() - interval '1s'"
    )
    await connection.close()


async def test_each_tenant_has_a_turn_before_any_has_a_second(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa", "aaa", "", "zzz", "aaa", "mmm")

    taken = await a_worker(pool).take(5)

    assert sorted(upload.tenant for upload in taken[:4]) == ["", "aaa", "mmm", "zzz"]
    assert taken[4].tenant == "aaa"


async def test_one_at_a_time_every_tenant_has_its_turn(pool: Pool) -> None:
    await receive(pool, *["aaa"] * 5, "bbb", "zzz", "")
    worker = a_worker(pool)

    taken = [upload.tenant for _ in range(5) for upload in await worker.take(1)]

    assert taken == ["aaa", "bbb", "zzz", "", "aaa"]


async def test_of_one_tenant_the_oldest_comes_first(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa", "aaa")

    assert [upload.certificate_id for upload in await a_worker(pool).take(2)] == ["cert_aaa_0", "cert_aaa_1"]


async def test_one_that_has_failed_comes_after_those_that_have_not(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa")
    worker = a_worker(pool)
    (first,) = await worker.take(1)
    async with pool.transaction() as connection:
        await claims.hand_back(connection, first, wait=timedelta(), has_failed=True)

    assert [(each.certificate_id, each.attempt) for each in await worker.take(2)] == [
        ("cert_aaa_1", 0),
        ("cert_aaa_0", 1),
    ]


async def test_those_who_take_at_once_never_take_the_same(pool: Pool) -> None:
    await receive(pool, *["aaa", "bbb", "ccc"] * 20)
    workers = [a_worker(pool, f"worker-{number}") for number in range(4)]

    taken = [await asyncio.gather(*(worker.take(3) for worker in workers)) for _ in range(10)]

    ids = [upload.certificate_id for batches in taken for batch in batches for upload in batch]
    assert len(ids) == len(set(ids)) == 60


async def test_a_tenant_with_many_uploads_costs_no_more_than_another(pool: Pool, database_url: str) -> None:
    await receive(pool, "aaa")
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, bundle, sealed, intake_key_id, "
        "attach, requested_at) SELECT 'cert_flood_' || n, 'bbb', 'received', content_sha256, bundle, sealed, "
        "intake_key_id, attach, requested_at FROM validator.uploads, generate_series(1, 20000) AS n"
    )
    await connection.execute("ANALYZE validator.uploads")

    plan = await connection.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {claims.CLAIM}", *(8, "worker-1", LEASE, "", 1000, False)
    )
    await connection.close()

    assert max(int(rows) for rows in re.findall(r'"Actual Rows": (\d+)', plan)) < 20


async def test_what_is_slow_is_taken_apart(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa")
    worker = a_worker(pool)
    (first,) = await worker.take(1)
    async with pool.transaction() as connection:
        await claims.hand_back(connection, first, wait=timedelta(), is_slow=True)

    assert [upload.certificate_id for upload in await worker.take(5)] == ["cert_aaa_1"]
    assert [upload.certificate_id for upload in await worker.take(5, slow=True)] == ["cert_aaa_0"]


async def test_an_upload_is_in_one_workers_hands(pool: Pool, database_url: str) -> None:
    await receive(pool, "aaa")
    (first,) = await a_worker(pool).take(5)
    other = a_worker(pool, "worker-2")

    assert await other.take(5) == ()
    await end_leases(database_url)
    (second,) = await other.take(5)

    assert second.lease_token > first.lease_token
    await reject(pool, second)
    with pytest.raises(LostLeaseError):
        await reject(pool, first)


async def test_who_lost_the_lease_writes_nothing_though_nobody_took_it(pool: Pool, database_url: str) -> None:
    await receive(pool, "aaa")
    (upload,) = await a_worker(pool).take(1)
    await end_leases(database_url)

    with pytest.raises(LostLeaseError):
        await reject(pool, upload)
    with pytest.raises(LostLeaseError):
        async with pool.transaction() as connection:
            await claims.keep(connection, upload, lease=LEASE)
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM messaging.outbox WHERE service = 'validator'") == 0


async def test_old_records_are_forgotten_if_nothing_of_them_is_stored(pool: Pool, database_url: str) -> None:
    await receive(pool, "aaa", "aaa")
    (upload,) = await a_worker(pool).take(1)
    await reject(pool, upload)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE validator.uploads SET judged_at = judged_at - interval '31 days'")
    await connection.close()

    async with pool.acquire() as acquired:
        pruned = await uploads.prune(acquired, older_than=timedelta(days=30), limit=10)
        left = await acquired.fetchval("SELECT array_agg(certificate_id) FROM validator.uploads")

    assert (pruned, left) == (1, ["cert_aaa_1"])


async def reject(pool: Pool, upload: Waiting) -> None:
    await verdicts.reject(pool, upload, [REASON])
