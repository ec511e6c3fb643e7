"""An upload that names domains is attached to them with its verdict, or as soon as they are registered."""

from datetime import UTC, datetime

from dev.platform.customer_ca import Authority
from shared.names import Name
from shared.registry import domains
from shared.registry.domains import Configuration
from shared.store import open_pool
from tests.rig.validator.surroundings import Rig

SHOP = Name("shop.example.com")


async def register(rig: Rig, name: Name, *, tenant: str) -> domains.Domain:
    async with open_pool(rig.database_url, role="provisioner", max_size=1) as pool, pool.transaction() as connection:
        applied = await domains.register(
            connection, tenant=tenant, name=name, requested_at=datetime.now(UTC), configuration=Configuration()
        )
    return applied.domain


async def test_an_upload_is_attached_to_registered_domains_at_once_and_awaited_for_others(
    rig: Rig, authority: Authority
) -> None:
    before = await register(rig, SHOP, tenant="acme")
    upload = rig.uploader.upload(
        authority.issue("*.example.com"), certificate_id="cert_1", tenant="acme", attach=[SHOP, "later.example.com"]
    )

    async with rig.validator():
        await rig.publish(upload)
        ready = await rig.fact("certificate.ready")
        changed = await rig.fact("domain.changed")

    row = await rig.database.fetchrow("SELECT attached_certificate_id, version FROM registry.domains")
    assert row is not None
    assert row["attached_certificate_id"] == "cert_1"
    assert row["version"] > before.version
    assert ready.data["domains"] == [{"domain": SHOP, "version": row["version"]}]
    assert changed.data == {"domain": SHOP, "version": row["version"], "deleted": False}
    awaited = await rig.database.fetch("SELECT name, certificate_id FROM registry.awaited_attachments")
    assert [tuple(each) for each in awaited] == [("later.example.com", "cert_1")]


async def test_an_upload_is_not_attached_to_another_tenants_domain_of_that_name(rig: Rig, authority: Authority) -> None:
    await register(rig, SHOP, tenant="acme")

    async with rig.validator():
        await rig.publish(rig.uploader.upload(authority.issue(SHOP), tenant="mallory", attach=[SHOP]))
        ready = await rig.fact("certificate.ready")

    assert ready.data["domains"] == []
    assert await rig.database.fetchval("SELECT attached_certificate_id FROM registry.domains") is None


async def test_the_answer_to_a_second_copy_names_the_domains_that_serve_it_now(rig: Rig, authority: Authority) -> None:
    domain = await register(rig, SHOP, tenant="acme")
    upload = rig.uploader.upload(authority.issue(SHOP), tenant="acme", attach=[SHOP])

    async with rig.validator():
        await rig.publish(upload)
        first = await rig.fact("certificate.ready")
        await rig.publish(upload)
        again = await rig.fact("certificate.ready", 2)

    assert again.data == first.data
    assert again.data["domains"][0]["version"] > domain.version


async def test_facts_about_an_upload_carry_its_correlation_id_and_traceparent(rig: Rig, authority: Authority) -> None:
    await register(rig, SHOP, tenant="acme")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async with rig.validator():
        await rig.publish(
            rig.uploader.upload(authority.issue(SHOP), tenant="acme", attach=[SHOP]),
            specversion="1.0",
            id="event-1",
            source="/shop",
            type="certificate.uploaded",
            correlationid="order-7",
            traceparent=trace,
        )
        facts = [await rig.fact("certificate.ready"), await rig.fact("domain.changed")]

    assert [(fact.headers["ce-correlationid"], fact.headers["ce-traceparent"]) for fact in facts] == [
        ("order-7", trace),
        ("order-7", trace),
    ]
