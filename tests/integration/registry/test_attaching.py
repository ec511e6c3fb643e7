"""Customers' own certificates are attached by requests that arrive twice, late and before their domain."""

from dataclasses import replace
from itertools import permutations

import pytest

from shared.events import TerminateTls
from shared.registry import domains
from shared.registry.domains import Effect
from shared.store import Connection, Pool
from tests.builders import stored_rows
from tests.builders.attachments import NAME, attach, attached_to, awaited, delete, forget, register, update, uploaded


async def test_an_upload_is_attached_to_a_registered_domain(pool: Pool, validator: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, "*.example.com")
    before = (await register(pool)).domain

    applied = await attach(validator, certificate_id, 1)

    assert applied.effect is Effect.CHANGED
    assert applied.has_changed
    assert applied.domain is not None
    assert applied.domain.configuration.attached_certificate_id == certificate_id
    assert applied.domain.version > before.version
    assert applied.domain.requested_at == before.requested_at


async def test_the_same_request_attaches_once(pool: Pool, validator: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool)
    first = await attach(validator, certificate_id, 1)

    second = await attach(validator, certificate_id, 1)
    newer = await attach(validator, certificate_id, 2)

    assert (second.effect, newer.effect) == (Effect.UNCHANGED, Effect.UNCHANGED)
    assert second.domain == first.domain


async def test_an_upload_attaches_to_a_domain_registered_after_the_upload_was_sent(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool, 5)

    await attach(validator, certificate_id, 1)

    assert await attached_to(pool) == certificate_id


async def test_an_upload_before_its_domain_is_attached_when_the_domain_is_registered(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)

    early = await attach(validator, certificate_id, 1)
    created = await register(pool, 2)

    assert (early.effect, early.domain) == (Effect.AWAITED, None)
    assert created.effect is Effect.CREATED
    assert created.domain.configuration.attached_certificate_id == certificate_id
    assert await awaited(owner) == []


async def test_of_several_uploads_before_their_domain_the_newest_is_attached(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    old, new = await uploaded(owner, NAME), await uploaded(owner, NAME)

    await attach(validator, new, 2)
    late = await attach(validator, old, 1)
    await register(pool, 3)

    assert late.effect is Effect.STALE
    assert await attached_to(pool) == new


@pytest.mark.parametrize(
    ("history", "served", "waiting"),
    [
        (["register", "attach first"], "first", None),
        (["attach first", "register"], "first", None),
        (["attach first", "register", "attach second"], "second", None),
        (["attach first", "register naming third"], "third", None),
        (["register naming third", "attach first"], "first", None),
        (["attach first", "register detaching"], None, None),
        (["register detaching", "attach first"], "first", None),
        (["register", "attach first", "attach second", "register"], "second", None),
        (["register", "attach first", "delete"], None, None),
        (["register", "delete", "attach first"], None, "first"),
        (["delete", "attach first", "register"], "first", None),
    ],
)
async def test_the_newest_attachment_wins_in_any_order_of_arrival(
    pool: Pool, validator: Pool, owner: Connection, history: list[str], served: str | None, waiting: str | None
) -> None:
    for order in permutations(enumerate(history)):
        tenant = str(order)
        ids = {each: await uploaded(owner, NAME, tenant=tenant) for each in ("first", "second", "third")}
        for minute, what in order:
            match what.split(maxsplit=1):
                case ["attach", which]:
                    await attach(validator, ids[which], minute, tenant=tenant)
                case ["register", "naming third"]:
                    await register(pool, minute, tenant=tenant, certificate_id=ids["third"])
                case ["register", *detaching]:
                    await register(pool, minute, tenant=tenant, detaches=bool(detaching))
                case _:
                    await delete(pool, minute, tenant=tenant)

        assert await attached_to(pool, tenant=tenant) == (served and ids[served])
        assert await awaited(owner, tenant=tenant) == ([ids[waiting]] if waiting else [])


async def test_registering_again_keeps_the_attached_certificate(pool: Pool, validator: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool)
    await attach(validator, certificate_id, 1)

    again = await register(pool, 2)
    detached = await register(pool, 3, detaches=True)

    assert again.domain.configuration.attached_certificate_id == certificate_id
    assert detached.domain.configuration.attached_certificate_id is None


async def test_an_upload_that_is_older_than_a_detachment_changes_nothing(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool)
    await update(pool, 2, None)

    late = await attach(validator, certificate_id, 1)

    assert late.effect is Effect.STALE
    assert await attached_to(pool) is None


async def test_a_detachment_that_is_older_than_an_upload_changes_nothing(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool)
    await attach(validator, certificate_id, 2)

    late = await update(pool, 1, None)

    assert late is not None
    assert late.effect is Effect.UNCHANGED
    assert await attached_to(pool) == certificate_id


async def test_a_newer_detachment_detaches(pool: Pool, validator: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool)
    await attach(validator, certificate_id, 1)

    applied = await update(pool, 2, None)

    assert applied is not None
    assert applied.effect is Effect.CHANGED
    assert applied.domain.configuration.attached_certificate_id is None


async def test_an_attachment_by_an_earlier_release_stays_when_the_domain_is_registered_again(
    pool: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool, certificate_id=certificate_id)
    await owner.execute("UPDATE registry.domains SET attachment_requested_at = NULL")

    await register(pool, 1)

    assert await attached_to(pool) == certificate_id


async def test_an_upload_that_is_older_than_a_tombstone_of_an_earlier_release_is_not_awaited(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await delete(pool, 2)
    await owner.execute("UPDATE registry.domains SET attachment_requested_at = NULL")

    late = await attach(validator, certificate_id, 1)

    assert late.effect is Effect.STALE
    assert await awaited(owner) == []


async def test_a_certificate_of_another_tenant_cannot_be_attached(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME, tenant="first")

    with pytest.raises(domains.UnfitCertificateError, match="no certificate"):
        await register(pool, tenant="second", certificate_id=certificate_id)
    with pytest.raises(domains.UnfitCertificateError, match="no certificate"):
        await attach(validator, certificate_id, 1, tenant="second")


async def test_a_certificate_for_other_names_is_refused_with_those_names_and_the_domain(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, "a.example.com", "b.example.com")
    await register(pool)
    both = r"for a\.example\.com, b\.example\.com, not for shop\.example\.com"

    with pytest.raises(domains.UnfitCertificateError, match=both):
        await attach(validator, certificate_id, 1)
    with pytest.raises(domains.UnfitCertificateError, match=both):
        await update(pool, 1, certificate_id)
    with pytest.raises(domains.UnfitCertificateError, match=both):
        await register(pool, 1, certificate_id=certificate_id)
    with pytest.raises(domains.UnfitCertificateError, match=both):
        await register(pool, 1, terminate_tls=TerminateTls(server_certificate_id=certificate_id))


async def test_a_refusal_shows_twenty_of_hundreds_of_names(pool: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, *(f"s{number}.example.com" for number in range(90)))

    with pytest.raises(domains.UnfitCertificateError, match=r"s19\.example\.com and 70 more, not for"):
        await register(pool, certificate_id=certificate_id)


async def test_an_automatic_certificate_cannot_be_attached(pool: Pool, owner: Connection) -> None:
    certificate_id = await stored_rows.store(owner, stored_rows.make(NAME))

    with pytest.raises(domains.UnfitCertificateError, match="automatic"):
        await register(pool, certificate_id=certificate_id)


async def test_a_certificate_that_terminate_tls_names_must_exist(pool: Pool) -> None:
    with pytest.raises(domains.UnfitCertificateError, match="there is no certificate 'cert_gone'"):
        await register(pool, terminate_tls=TerminateTls(server_certificate_id="cert_gone"))


async def test_a_deleted_certificate_is_not_awaited(pool: Pool, validator: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, NAME)
    await attach(validator, certificate_id, 1)
    await forget(validator, certificate_id)

    created = await register(pool, 2)

    assert created.domain.configuration == replace(created.domain.configuration, attached_certificate_id=None)
