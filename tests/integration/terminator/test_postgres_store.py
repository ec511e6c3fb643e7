"""The terminator's store on a real PostgreSQL, with the terminator's own rights."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from services.terminator.adapters import postgres
from services.terminator.adapters.postgres import PostgresStore
from services.terminator.ports import Deployment
from shared.errors import StoreUnavailableError
from shared.events import Cause, TerminateTls
from shared.identifiers import CertificateId
from shared.names import Name
from shared.registry import domains
from shared.registry.domains import Configuration
from shared.store import Connection, open_pool
from tests.builders import stored_rows

SHOP, WILDCARD = "shop.example.com", "*.example.com"
TENANT = "acme"


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Yield a connection of the tables' owner."""
    connection = await asyncpg.connect(database_url)
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """Yield the store of node-1."""
    store = PostgresStore("node-1")
    async with open_pool(database_url, role="terminator", max_size=1) as pool:
        with store.using(pool):
            yield store


async def register(owner: Connection, name: str, **configuration: object) -> domains.Domain:
    async with owner.transaction():
        applied = await domains.register(
            owner,
            tenant=TENANT,
            name=Name(name),
            requested_at=datetime.now(UTC),
            configuration=Configuration(**configuration),  # type: ignore[arg-type] # a test's own
        )
    return applied.domain


async def certify(owner: Connection, domain: domains.Domain) -> tuple[stored_rows.Made, CertificateId]:
    """Give *domain* an automatic certificate, and return it."""
    made = stored_rows.make(domain.name, tenant=TENANT)
    async with owner.transaction():
        certificate_id = await stored_rows.store(owner, made, tenant=TENANT)
        await owner.execute(
            "UPDATE registry.domains SET automatic_certificate_id = $2 WHERE id = $1", domain.id, certificate_id
        )
    return made, certificate_id


async def test_without_a_database_the_store_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError):
        await PostgresStore("node-1").domains([SHOP])


async def test_a_domain_is_read_with_its_certificates_and_sealed_keys(owner: Connection, store: PostgresStore) -> None:
    domain = await register(owner, SHOP, upstream="tcp://app:80", terminate_tls=TerminateTls(min_version="1.3"))
    automatic, automatic_id = await certify(owner, domain)
    attached = stored_rows.make(SHOP, tenant=TENANT)
    attached_id = await stored_rows.store(owner, attached, tenant=TENANT)
    await owner.execute("UPDATE registry.domains SET attached_certificate_id = $1", attached_id)

    snapshot = await store.domains([SHOP, "nobody.example.com"])

    (read,) = snapshot.domains.values()
    assert (read.name, read.tenant, read.upstream) == (SHOP, TENANT, "tcp://app:80")
    assert read.terminate_tls["min_version"] == "1.3"
    assert 0 <= read.changed_seconds_ago < 60
    assert read.version == await owner.fetchval("SELECT version FROM registry.domains")
    assert read.automatic is not None
    assert read.attached is not None
    assert (read.automatic.id, read.automatic.leaf) == (automatic_id, automatic.leaf)
    assert (read.attached.id, read.attached.issuers) == (attached_id, attached.issuers)
    assert read.attached.key == attached.sealed
    assert read.attached.issuers is read.automatic.issuers  # one chain for all leaves of an issuer


async def test_a_certificate_named_in_terminate_tls_is_read_too(owner: Connection, store: PostgresStore) -> None:
    named_id = await stored_rows.store(owner, stored_rows.make(SHOP, tenant=TENANT), tenant=TENANT, source="uploaded")
    await register(owner, SHOP, terminate_tls=TerminateTls(server_certificate_id=named_id))

    read = (await store.domains([SHOP])).domains[SHOP]

    assert read.named is not None
    assert read.named.id == named_id


async def test_deleted_domains_and_domains_that_do_not_hold_their_name_are_not_read(
    owner: Connection, store: PostgresStore
) -> None:
    await register(owner, SHOP)
    await register(owner, WILDCARD)
    async with owner.transaction():
        await domains.delete(owner, tenant=TENANT, name=Name(SHOP), requested_at=datetime.now(UTC))
    await owner.execute("UPDATE registry.domains SET holds_name = false WHERE name = $1", WILDCARD)

    assert (await store.domains([SHOP, WILDCARD])).domains == {}


async def test_an_erased_key_is_read_as_none(owner: Connection, store: PostgresStore) -> None:
    await certify(owner, await register(owner, SHOP))
    await owner.execute("DELETE FROM registry.key_wraps")

    read = (await store.domains([SHOP])).domains[SHOP]

    assert read.automatic is not None
    assert read.automatic.key is None


async def test_changes_are_only_those_since_the_snapshot_deletions_included(
    owner: Connection, store: PostgresStore
) -> None:
    await register(owner, "old.example.com")
    since = (await store.domains([])).xmin
    domain = await register(owner, SHOP)
    await register(owner, WILDCARD)
    async with owner.transaction():
        await domains.delete(owner, tenant=TENANT, name=Name(WILDCARD), requested_at=datetime.now(UTC))

    changes = await store.changed_since(since)

    assert set(changes.versions) == {SHOP, WILDCARD}
    assert changes.versions[SHOP] == domain.version
    assert (await store.changed_since(changes.xmin)).versions == {}


async def test_a_change_that_commits_late_is_not_missed(
    owner: Connection, store: PostgresStore, database_url: str
) -> None:
    await register(owner, SHOP)
    slow = await asyncpg.connect(database_url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(
        "UPDATE registry.domains SET upstream = 'tcp://slow:1'"
    )  # has its transaction number, but is not visible yet
    since = (await store.domains([])).xmin
    await register(owner, "other.example.com")  # a later number, committed earlier

    changes = await store.changed_since(since)
    assert set(changes.versions) == {"other.example.com"}
    await transaction.commit()
    await slow.close()

    assert SHOP in (await store.changed_since(changes.xmin)).versions


async def test_a_challenge_is_answered_by_the_newest_order_until_it_expires(
    owner: Connection, store: PostgresStore
) -> None:
    now = datetime.now(UTC)
    rows = [
        ("ord_1", SHOP, "http-01", "older", now + timedelta(hours=1), now - timedelta(minutes=2)),
        ("ord_2", SHOP, "http-01", "newer", now + timedelta(hours=1), now - timedelta(minutes=1)),
        ("ord_3", SHOP, "dns-01", "other", now + timedelta(hours=1), now),
        ("ord_4", "over.example.com", "http-01", "expired", now - timedelta(seconds=1), now),
    ]
    await owner.executemany(
        "INSERT INTO registry.challenges (order_id, name, kind, answer, expires_at, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        rows,
    )

    assert await store.thumbprints([SHOP, "over.example.com", "nobody.example.com"]) == {SHOP: "newer"}


def deployment(version: int, *, domain: str = SHOP) -> Deployment:
    return Deployment(domain=domain, certificate_id="cert_1", version=version, latency_seconds=0.25, cause=Cause("c-1"))


async def test_a_deployment_is_recorded_and_published_once_for_each_version(
    owner: Connection, store: PostgresStore
) -> None:
    for version in (5, 5, 4, 7):
        await store.publish_deployed([deployment(version), deployment(version, domain=WILDCARD)])

    published = await owner.fetch("SELECT service, type, key, correlation_id, data FROM messaging.outbox ORDER BY id")
    assert {(row["service"], row["type"], row["correlation_id"]) for row in published} == {
        ("terminator", "certificate.deployed", "c-1")
    }
    assert sorted((row["key"], row["data"]["version"]) for row in published) == [
        (WILDCARD, 5),
        (WILDCARD, 7),
        (SHOP, 5),
        (SHOP, 7),
    ]
    assert published[0]["data"] == {
        "certificate_id": "cert_1",
        "domain": WILDCARD,
        "node": "node-1",
        "version": 5,
        "latency_seconds": 0.25,
    }
    assert await owner.fetchval("SELECT version FROM terminator.deployments WHERE domain = $1", SHOP) == 7


async def test_each_node_publishes_its_own_deployments(
    owner: Connection, store: PostgresStore, database_url: str
) -> None:
    other = PostgresStore("node-2")
    async with open_pool(database_url, role="terminator", max_size=1) as pool:
        with other.using(pool):
            await asyncio.gather(*(each.publish_deployed([deployment(5)]) for each in (store, other)))

    assert await owner.fetchval("SELECT count(*) FROM messaging.outbox") == 2


async def test_every_table_is_read_by_an_index(owner: Connection, store: PostgresStore) -> None:
    since = (await store.domains([])).xmin
    await owner.execute("SET enable_seqscan = off")  # so that a sequential scan is used only where no index can be

    for query, argument in (
        (postgres._DOMAINS, [SHOP, WILDCARD]),
        (postgres._CHANGED, since),
        (postgres._THUMBPRINTS, [SHOP]),
    ):
        plan = "\n".join(row[0] for row in await owner.fetch(f"EXPLAIN {query}", argument))
        assert "Seq Scan" not in plan
