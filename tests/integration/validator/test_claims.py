"""Claims are fair to tenants, exclusive, and fence the writes of a worker whose lease has expired."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.validator.rules.uploads import ClaimedUpload, Upload
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


async def expire_leases(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE validator.uploads SET lease_until = now() - interval '1s', next_attempt_at = now() - interval '1s'"
    )
    await connection.close()


async def test_each_tenant_gets_one_upload_claimed_before_any_gets_its_second(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa", "aaa", "", "zzz", "aaa", "mmm")

    claimed = await a_worker(pool).claim(5)

    assert sorted(upload.tenant for upload in claimed[:4]) == ["", "aaa", "mmm", "zzz"]
    assert claimed[4].tenant == "aaa"


async def test_claims_of_one_upload_go_round_all_tenants(pool: Pool) -> None:
    await receive(pool, *["aaa"] * 5, "bbb", "zzz", "")
    worker = a_worker(pool)

    claimed = [upload.tenant for _ in range(5) for upload in await worker.claim(1)]

    assert claimed == ["aaa", "bbb", "zzz", "", "aaa"]


async def test_the_oldest_upload_of_a_tenant_is_claimed_first(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa", "aaa")

    assert [upload.certificate_id for upload in await a_worker(pool).claim(2)] == ["cert_aaa_0", "cert_aaa_1"]


async def test_an_upload_that_failed_is_claimed_after_those_that_did_not(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa")
    worker = a_worker(pool)
    (first,) = await worker.claim(1)
    async with pool.transaction() as connection:
        await claims.hand_back(connection, first, wait=timedelta(), has_failed=True)

    assert [(each.certificate_id, each.attempt) for each in await worker.claim(2)] == [
        ("cert_aaa_1", 0),
        ("cert_aaa_0", 1),
    ]


async def test_concurrent_claims_never_return_the_same_upload(pool: Pool) -> None:
    await receive(pool, *["aaa", "bbb", "ccc"] * 20)
    workers = [a_worker(pool, f"worker-{number}") for number in range(4)]

    claimed = [await asyncio.gather(*(worker.claim(3) for worker in workers)) for _ in range(10)]

    ids = [upload.certificate_id for batches in claimed for batch in batches for upload in batch]
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


async def test_slow_uploads_are_claimed_separately(pool: Pool) -> None:
    await receive(pool, "aaa", "aaa")
    worker = a_worker(pool)
    (first,) = await worker.claim(1)
    async with pool.transaction() as connection:
        await claims.hand_back(connection, first, wait=timedelta(), is_slow=True)

    assert [upload.certificate_id for upload in await worker.claim(5)] == ["cert_aaa_1"]
    assert [upload.certificate_id for upload in await worker.claim(5, slow=True)] == ["cert_aaa_0"]


async def test_an_upload_is_claimed_by_one_worker_until_the_lease_expires(pool: Pool, database_url: str) -> None:
    await receive(pool, "aaa")
    (first,) = await a_worker(pool).claim(5)
    other = a_worker(pool, "worker-2")

    assert await other.claim(5) == ()
    await expire_leases(database_url)
    (second,) = await other.claim(5)

    assert second.lease_token > first.lease_token
    await reject(pool, second)
    with pytest.raises(LostLeaseError):
        await reject(pool, first)


async def test_a_worker_with_an_expired_lease_writes_nothing_even_if_no_other_has_claimed_it(
    pool: Pool, database_url: str
) -> None:
    await receive(pool, "aaa")
    (upload,) = await a_worker(pool).claim(1)
    await expire_leases(database_url)

    with pytest.raises(LostLeaseError):
        await reject(pool, upload)
    with pytest.raises(LostLeaseError):
        async with pool.transaction() as connection:
            await claims.keep(connection, upload, lease=LEASE)
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM messaging.outbox WHERE service = 'validator'") == 0


async def test_old_rows_without_a_stored_certificate_are_deleted(pool: Pool, database_url: str) -> None:
    await receive(pool, "aaa", "aaa")
    (upload,) = await a_worker(pool).claim(1)
    await reject(pool, upload)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE validator.uploads SET judged_at = judged_at - interval '31 days'")
    await connection.close()

    async with pool.acquire() as acquired:
        pruned = await uploads.prune(acquired, older_than=timedelta(days=30), limit=10)
        left = await acquired.fetchval("SELECT array_agg(certificate_id) FROM validator.uploads")

    assert (pruned, left) == (1, ["cert_aaa_1"])


async def reject(pool: Pool, upload: ClaimedUpload) -> None:
    await verdicts.reject(pool, upload, [REASON])
