"""Customers are warned once before a certificate expires, however many validators look."""

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from dev.waiting import within
from services.validator.expiring import publish_due, watch
from services.validator.store import expiry
from shared.events import CertificateManagementPolicy, TerminateTls
from shared.identifiers import CertificateId
from shared.names import Name
from shared.registry import domains
from shared.registry.domains import Configuration
from shared.store import Connection, Pool
from tests.builders import stored_rows

SHOP, BLOG = Name("shop.example.com"), Name("blog.example.com")
AUTOMATIC = CertificateManagementPolicy()


async def store(owner: Connection, *, days: float) -> CertificateId:
    certificate_id = await stored_rows.store(owner, stored_rows.make("*.example.com"), source="uploaded")
    await expire_in(owner, certificate_id, days=days)
    return certificate_id


async def expire_in(owner: Connection, certificate_id: CertificateId, *, days: float) -> None:
    await owner.execute(
        "UPDATE registry.certificates SET not_after = now() + $2 WHERE id = $1", certificate_id, timedelta(days=days)
    )


async def register(
    provisioner: Pool,
    name: Name = SHOP,
    *,
    tenant: str = "",
    attached: CertificateId | None = None,
    named: CertificateId | None = None,
    policy: CertificateManagementPolicy | None = None,
) -> domains.Domain:
    async with provisioner.transaction() as connection:
        applied = await domains.register(
            connection,
            tenant=tenant,
            name=name,
            requested_at=datetime.now(UTC),
            configuration=Configuration(
                policy=policy,
                attached_certificate_id=attached,
                terminate_tls=None if named is None else TerminateTls(server_certificate_id=named),
            ),
            detaches=attached is None,
        )
    return applied.domain


async def noted(owner: Connection) -> list[tuple[str, int]]:
    rows = await owner.fetch(
        "SELECT domain.name, notice.days FROM validator.expiry_notices AS notice "
        "JOIN registry.domains AS domain ON domain.id = notice.domain_id ORDER BY 1, 2 DESC"
    )
    return [(row["name"], row["days"]) for row in rows]


async def messages(owner: Connection) -> list[str]:
    rows = await owner.fetch("SELECT data ->> 'message' AS message FROM messaging.outbox ORDER BY id")
    return [row["message"] for row in rows]


async def test_each_threshold_is_published_once_as_the_certificate_gets_older(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    certificate_id = await store(owner, days=31)
    await register(provisioner, attached=certificate_id)
    counts = []

    for days in (31, 29.9, 20, 13.9, 6.9, 2.9, 0.9, 0.5, -0.1, -3):
        await expire_in(owner, certificate_id, days=days)
        counts.append(await publish_due(pool, limit=10) + await publish_due(pool, limit=10))

    assert counts == [0, 1, 0, 1, 1, 1, 1, 0, 1, 0]
    assert await noted(owner) == [(SHOP, days) for days in (30, 14, 7, 3, 1, 0)]


@pytest.mark.parametrize(("days", "nearest"), [(13, 14), (5, 7), (0.2, 1), (-1, 0)])
async def test_of_several_passed_thresholds_the_nearest_is_published(
    pool: Pool, provisioner: Pool, owner: Connection, days: float, nearest: int
) -> None:
    await register(provisioner, attached=await store(owner, days=days))

    await publish_due(pool, limit=10)

    assert await noted(owner) == [(SHOP, nearest)]


async def test_concurrent_validators_publish_one_warning_for_each_domain(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    certificate_id = await store(owner, days=5)
    for number in range(40):
        await register(provisioner, Name(f"s{number}.example.com"), attached=certificate_id)

    async def look() -> int:
        return await publish_due(pool, limit=1000)

    counts = await asyncio.gather(*(look() for _ in range(5)))

    assert sum(counts) == 40
    assert len(await messages(owner)) == 40


async def test_no_warning_is_published_for_a_certificate_that_is_not_served(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    detached, shadowed, old, of_tombstone, unheld = [await store(owner, days=days) for days in (5, 5, -31, 5, 5)]
    await register(provisioner, SHOP, attached=detached)
    await register(provisioner, SHOP, attached=shadowed, named=await store(owner, days=300))
    await register(provisioner, BLOG, attached=old)
    gone = await register(provisioner, Name("gone.example.com"), attached=of_tombstone)
    async with provisioner.transaction() as connection:
        await domains.delete(connection, tenant="", name=gone.name, requested_at=datetime.now(UTC))
    await register(provisioner, Name("held.example.com"))
    await owner.execute("UPDATE registry.domains SET holds_name = false WHERE name = 'held.example.com'")
    await owner.execute(
        "UPDATE registry.domains SET attached_certificate_id = $1 WHERE name = 'held.example.com'", unheld
    )

    assert await publish_due(pool, limit=10) == 0


async def test_the_message_says_what_expires_when_what_happens_then_and_what_to_do(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    certificate_id = await store(owner, days=2.5)
    await register(provisioner, attached=certificate_id)
    await publish_due(pool, limit=10)
    await register(provisioner, BLOG, attached=certificate_id, policy=AUTOMATIC)
    await publish_due(pool, limit=10)
    await register(provisioner, Name("named.example.com"), named=certificate_id, policy=AUTOMATIC)
    await publish_due(pool, limit=10)

    alone, followed, named = await messages(owner)
    assert f"{certificate_id}, which the customer uploaded for {SHOP}, expires on " in alone
    assert "UTC, within 3 days; after that visitors' browsers refuse the domain" in alone
    assert "give the domain a certificate_management_policy" in alone
    assert "after that the domain's automatic certificate is served instead; upload its successor" in followed
    assert "whose terminate_tls names it; upload its successor and name that in terminate_tls" in named


async def test_metrics_count_certificates_in_use_by_days_until_they_expire(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    await store(owner, days=0.5)  # no domain uses it
    await register(provisioner, SHOP, attached=await store(owner, days=2))
    await register(provisioner, BLOG, attached=await store(owner, days=-2))
    await register(provisioner, Name("far.example.com"), attached=await store(owner, days=300))

    async with pool.acquire() as connection:
        found = await expiry.count(connection)

    assert found.within_days == {30: 1, 14: 1, 7: 1, 3: 1, 1: 0, 0: 1}
    assert found.soonest_seconds == pytest.approx(2 * 86400, abs=60)


async def test_the_search_leaves_out_certificates_that_expire_later(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    certificate_id = await store(owner, days=5)
    await register(provisioner, SHOP, attached=certificate_id)
    await owner.execute(
        "INSERT INTO registry.certificates (id, tenant, source, leaf, chain_id, key_id, key_type, names, not_before, "
        "not_after, serial_number, fingerprint, issuer) "
        "SELECT 'cert_later_' || n, tenant, source, leaf, chain_id, key_id, key_type, names, not_before, "
        "now() + interval '300 days', serial_number, sha256(n::text::bytea), issuer "
        "FROM registry.certificates, generate_series(1, 20000) AS n WHERE id = $1",
        certificate_id,
    )
    await owner.execute("ANALYZE")

    plan = await owner.fetchval(f"EXPLAIN (FORMAT JSON) {expiry.NOTE_DUE}", expiry.THRESHOLDS, 10)

    assert "certificates_uploaded_by_not_after" in plan
    assert await publish_due(pool, limit=10) == 1


async def test_watching_publishes_warnings_and_updates_the_metrics(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    await register(provisioner, SHOP, attached=await store(owner, days=2))
    stop = asyncio.Event()

    async with within("the metric to be there"), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(pool, stop, every_seconds=0.05))
        while REGISTRY.get_sample_value("validator_expiring_certificates", {"within_days": "3"}) != 1:
            await asyncio.sleep(0.01)
        stop.set()

    soonest = REGISTRY.get_sample_value("validator_soonest_expiry_seconds")
    assert soonest == pytest.approx(2 * 86400, abs=60)
    assert await noted(owner) == [(SHOP, 3)]


async def test_without_uploaded_certificates_the_next_expiry_is_infinitely_far(pool: Pool) -> None:
    async with pool.acquire() as connection:
        found = await expiry.count(connection)

    assert set(found.within_days.values()) == {0}
    assert found.soonest_seconds == math.inf
