"""The operator's view of stored certificates, and of domains with several."""

from datetime import UTC, datetime, timedelta

from shared.events import TerminateTls
from shared.names import Name
from shared.registry import domains
from shared.registry.domains import Configuration
from shared.registry.views import certificates, hosted
from shared.registry.views.model import UseView
from shared.store import Connection, Pool, open_connection
from tests.builders import stored_rows

SHOP, BLOG, DOCS = (Name(f"{label}.example.com") for label in ("shop", "blog", "docs"))


async def register(pool: Pool, name: Name, configuration: Configuration) -> domains.Domain:
    async with pool.transaction() as connection:
        applied = await domains.register(
            connection, tenant="", name=name, requested_at=datetime.now(UTC), configuration=configuration
        )
    return applied.domain


async def test_a_certificate_is_shown_with_all_domains_that_use_it(
    pool: Pool, owner: Connection, database_url: str
) -> None:
    certificate_id = await stored_rows.store(owner, stored_rows.make("*.example.com"), source="uploaded")
    await register(pool, SHOP, Configuration(attached_certificate_id=certificate_id))
    await register(pool, BLOG, Configuration(terminate_tls=TerminateTls(server_certificate_id=certificate_id)))
    gone = await register(pool, Name("gone.example.com"), Configuration(attached_certificate_id=certificate_id))
    async with pool.transaction() as connection:
        await domains.delete(connection, tenant="", name=gone.name, requested_at=datetime.now(UTC))
    async with open_connection(database_url, role="validator") as connection, connection.transaction():
        await domains.attach(
            connection, tenant="", name=DOCS, certificate_id=certificate_id, requested_at=datetime.now(UTC)
        )

    async with open_connection(database_url, role="operator") as connection:
        found = await certificates.named(connection, certificate_id)
        nothing = await certificates.named(connection, "cert_none")

    assert found is not None
    assert (found.source, found.names, found.publicly_trusted) == ("uploaded", ("*.example.com",), None)
    assert found.uses == (
        UseView(domain=BLOG, by="terminate_tls"),
        UseView(domain=DOCS, by="awaited"),
        UseView(domain=SHOP, by="attached"),
    )
    assert nothing is None


async def test_certificates_are_listed_by_expiry_page_by_page(pool: Pool, owner: Connection, database_url: str) -> None:
    ids = [await stored_rows.store(owner, stored_rows.make(SHOP), source="uploaded") for _ in range(3)]
    for certificate_id, days in zip(ids, (30, 20, 10), strict=True):
        await owner.execute(
            "UPDATE registry.certificates SET not_after = now() + $2 WHERE id = $1",
            certificate_id,
            timedelta(days=days),
        )
    automatic = await stored_rows.store(owner, stored_rows.make(SHOP, tenant="acme"), tenant="acme")
    await register(pool, SHOP, Configuration(attached_certificate_id=ids[1]))

    async with open_connection(database_url, role="operator") as connection:
        first = await certificates.page(connection, tenant="", limit=2)
        second = await certificates.page(connection, tenant="", limit=2, after=first[-1].id)
        automatic_ones = await certificates.page(connection, source="automatic")
        unused = await certificates.page(connection, source="uploaded", only_unused=True)

    assert [each.id for each in (*first, *second)] == ids
    assert [each.id for each in automatic_ones] == [automatic]
    assert [each.id for each in unused] == [ids[0], ids[2]]


async def test_a_domain_is_shown_with_the_certificates_served_next(
    pool: Pool, owner: Connection, database_url: str
) -> None:
    attached = await stored_rows.store(owner, stored_rows.make(SHOP), source="uploaded")
    automatic = await stored_rows.store(owner, stored_rows.make(SHOP))
    domain = await register(pool, SHOP, Configuration(attached_certificate_id=attached))
    async with pool.transaction() as connection:
        await domains.set_automatic_certificate(connection, domain.id, automatic)

    async with open_connection(database_url, role="operator") as connection:
        (before,) = await hosted.named(connection, SHOP)
        await owner.execute(
            "UPDATE registry.certificates SET not_after = now() - interval '1 h' WHERE id = $1", attached
        )
        (after,) = await hosted.named(connection, SHOP)

    chosen = [
        [each and (each.id, each.chosen_by) for each in (at.certificate, *at.other_certificates)]
        for at in (before, after)
    ]
    assert chosen == [
        [(attached, "attached"), (automatic, "automatic")],
        [(automatic, "automatic"), (attached, "attached")],
    ]
    assert after.certificate is not None
    assert after.certificate.not_after.tzinfo is not None
