"""Deleting an uploaded certificate, in the database and with the validator's rights."""

import secrets
from datetime import UTC, datetime

import pytest

from services.validator.handlers import Handlers
from shared.errors import RefusedError
from shared.events import Cause, CertificateDeletionRefused, CertificateDeletionRequested, Incoming, TerminateTls
from shared.identifiers import CertificateId
from shared.names import Name
from shared.registry import domains
from shared.registry.certificates import Source
from shared.registry.domains import Configuration
from shared.store import Connection, Pool
from tests.builders import stored_rows

SHOP, BLOG = Name("shop.example.com"), Name("blog.example.com")
TENANT = "acme"


async def store(owner: Connection, source: Source = "uploaded") -> CertificateId:
    return await stored_rows.store(
        owner, stored_rows.make("*.example.com", tenant=TENANT), tenant=TENANT, source=source
    )


async def register(
    provisioner: Pool,
    name: Name,
    *,
    attached: CertificateId | None = None,
    named: CertificateId | None = None,
) -> None:
    async with provisioner.transaction() as connection:
        await domains.register(
            connection,
            tenant=TENANT,
            name=name,
            requested_at=datetime.now(UTC),
            configuration=Configuration(
                attached_certificate_id=attached,
                terminate_tls=None if named is None else TerminateTls(server_certificate_id=named),
            ),
        )


async def ask(pool: Pool, certificate_id: str, *, tenant: str = TENANT) -> None:
    event = Incoming(
        data=CertificateDeletionRequested(certificate_id=certificate_id, tenant=tenant),
        id=secrets.token_hex(8),
        source="/platform",
        user_id="",
        time=None,
        received_at=datetime.now(UTC),
        cause=Cause("c-1"),
    )
    async with pool.transaction() as connection:
        await Handlers(uploads_allowed=True).on_certificate_deletion_requested(connection, event)


async def refusal_of(pool: Pool, certificate_id: str, *, tenant: str = TENANT) -> CertificateDeletionRefused:
    with pytest.raises(RefusedError) as caught:
        await ask(pool, certificate_id, tenant=tenant)
    assert isinstance(caught.value.fact, CertificateDeletionRefused)
    return caught.value.fact


async def left(owner: Connection) -> tuple[int, int, int]:
    row = await owner.fetchrow(
        "SELECT (SELECT count(*) FROM registry.certificates) AS certificates, "
        "(SELECT count(*) FROM registry.keys) AS keys, (SELECT count(*) FROM registry.key_wraps) AS wraps"
    )
    assert row is not None
    return row["certificates"], row["keys"], row["wraps"]


async def test_a_certificate_that_no_domain_uses_is_deleted_with_its_key_and_a_fact_published(
    pool: Pool, owner: Connection
) -> None:
    certificate_id = await store(owner)

    await ask(pool, certificate_id)

    published = await owner.fetch("SELECT service, type, subject, correlation_id FROM messaging.outbox")
    assert await left(owner) == (0, 0, 0)
    assert [tuple(row.values()) for row in published] == [("validator", "certificate.deleted", certificate_id, "c-1")]


async def test_a_certificate_in_use_is_kept_and_its_domains_are_listed(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    certificate_id = await store(owner)
    await register(provisioner, SHOP, attached=certificate_id)
    await register(provisioner, BLOG, named=certificate_id)

    refusal = await refusal_of(pool, certificate_id)

    assert refusal.domains == (BLOG, SHOP)
    assert [reason.code for reason in refusal.reasons] == ["certificate_in_use"]
    assert "used by blog.example.com, shop.example.com; detach" in refusal.reasons[0].message
    assert await left(owner) == (1, 1, 1)


async def test_a_deleted_or_detached_domain_does_not_keep_its_certificate(
    pool: Pool, provisioner: Pool, owner: Connection
) -> None:
    certificate_id = await store(owner)
    await register(provisioner, SHOP, attached=certificate_id)
    await register(provisioner, BLOG, attached=certificate_id)
    now = datetime.now(UTC)
    async with provisioner.transaction() as connection:
        await domains.delete(connection, tenant=TENANT, name=BLOG, requested_at=now)
    async with provisioner.transaction() as connection:
        await domains.update(connection, tenant=TENANT, name=SHOP, requested_at=now, attached_certificate_id=None)

    await ask(pool, certificate_id)

    assert await left(owner) == (0, 0, 0)


async def test_a_deleted_certificate_is_unknown(pool: Pool, owner: Connection) -> None:
    certificate_id = await store(owner)
    await ask(pool, certificate_id)

    refusal = await refusal_of(pool, certificate_id)

    assert [reason.code for reason in refusal.reasons] == ["certificate_unknown"]


async def test_the_certificate_of_another_tenant_is_unknown(pool: Pool, owner: Connection) -> None:
    certificate_id = await store(owner)

    refusal = await refusal_of(pool, certificate_id, tenant="other")

    assert [reason.code for reason in refusal.reasons] == ["certificate_unknown"]
    assert await left(owner) == (1, 1, 1)


async def test_an_automatic_certificate_cannot_be_deleted(pool: Pool, owner: Connection) -> None:
    certificate_id = await store(owner, "automatic")

    refusal = await refusal_of(pool, certificate_id)

    assert [reason.code for reason in refusal.reasons] == ["certificate_automatic"]
    assert await left(owner) == (1, 1, 1)


async def test_the_refusal_names_the_id_under_which_the_certificate_is_stored(pool: Pool, owner: Connection) -> None:
    certificate_id = await store(owner)
    await owner.execute(
        "INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, intake_key_id, attach, "
        "requested_at, stored_certificate_id) VALUES ('cert_again', $1, 'accepted', sha256(''), 'i', '{}', now(), $2)",
        TENANT,
        certificate_id,
    )

    refusal = await refusal_of(pool, "cert_again")

    assert [reason.code for reason in refusal.reasons] == ["certificate_unknown"]
    assert f"stored as {certificate_id}" in refusal.reasons[0].message


async def test_an_upload_that_waits_for_its_verdict_is_not_deleted(pool: Pool, owner: Connection) -> None:
    await owner.execute(
        "INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, bundle, sealed, intake_key_id, "
        "attach, requested_at) VALUES ('cert_new', $1, 'received', sha256(''), '', '', 'i', '{}', now())",
        TENANT,
    )

    refusal = await refusal_of(pool, "cert_new")

    assert [reason.code for reason in refusal.reasons] == ["certificate_not_judged"]
