"""Customers' own certificates are attached by requests that come twice, at once, late and before their domain."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
import pytest_asyncio

from shared.events import TerminateTls
from shared.identifiers import CertificateId
from shared.names import Name
from shared.store import Connection, Pool, certificates, domains, open_pool
from shared.store.domains import Attached, Configuration, Outcome
from tests.integration.store import stored

NAME = Name("shop.example.com")
EARLY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def validator(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the validator's rights."""
    async with open_pool(database_url, role="validator", max_size=8) as opened:
        yield opened


def at(minute: int) -> datetime:
    return EARLY + timedelta(minutes=minute)


async def uploaded(owner: Connection, *names: str, tenant: str = "") -> CertificateId:
    return await stored.store(owner, stored.make(*names, tenant=tenant), tenant=tenant, source="uploaded")


async def register(
    pool: Pool,
    minute: int = 0,
    *,
    tenant: str = "",
    name: Name = NAME,
    certificate_id: CertificateId | None = None,
    terminate_tls: TerminateTls | None = None,
    detaches: bool = False,
) -> domains.Applied:
    async with pool.transaction() as connection:
        return await domains.register(
            connection,
            tenant=tenant,
            name=name,
            requested_at=at(minute),
            configuration=Configuration(attached_certificate_id=certificate_id, terminate_tls=terminate_tls),
            detaches=detaches,
        )


async def delete(pool: Pool, minute: int, *, tenant: str = "") -> domains.Applied:
    async with pool.transaction() as connection:
        return await domains.delete(connection, tenant=tenant, name=NAME, requested_at=at(minute))


async def update(pool: Pool, minute: int, certificate_id: CertificateId | None) -> domains.Applied | None:
    async with pool.transaction() as connection:
        return await domains.update(
            connection, tenant="", name=NAME, requested_at=at(minute), attached_certificate_id=certificate_id
        )


async def attach(
    validator: Pool, certificate_id: CertificateId, minute: int, *, tenant: str = "", name: Name = NAME
) -> Attached:
    async with validator.transaction() as connection:
        return await domains.attach(
            connection, tenant=tenant, name=name, certificate_id=certificate_id, requested_at=at(minute)
        )


async def forget(validator: Pool, certificate_id: CertificateId, *, tenant: str = "") -> tuple[Name, ...] | None:
    async with validator.transaction() as connection:
        return await certificates.delete_uploaded(connection, certificate_id, tenant=tenant)


async def attached_to(pool: Pool, *, tenant: str = "") -> CertificateId | None:
    async with pool.acquire() as connection:
        domain = await domains.find(connection, tenant=tenant, name=NAME)
    assert domain is not None
    return domain.configuration.attached_certificate_id


async def awaited(owner: Connection, *, tenant: str = "") -> list[CertificateId]:
    rows = await owner.fetch("SELECT certificate_id FROM registry.awaited_attachments WHERE tenant = $1", tenant)
    return [row["certificate_id"] for row in rows]


async def test_an_upload_is_attached_to_a_registered_domain(pool: Pool, validator: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, "*.example.com")
    before = (await register(pool)).domain

    applied = await attach(validator, certificate_id, 1)

    assert applied.outcome is Outcome.CHANGED
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

    assert (second.outcome, newer.outcome) == (Outcome.UNCHANGED, Outcome.UNCHANGED)
    assert second.domain == first.domain


async def test_an_upload_attaches_though_its_domain_was_registered_after_it_was_sent(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool, 5)

    await attach(validator, certificate_id, 1)

    assert await attached_to(pool) == certificate_id


async def test_an_upload_that_comes_before_its_domain_is_attached_when_that_is_registered(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)

    early = await attach(validator, certificate_id, 1)
    created = await register(pool, 2)

    assert (early.outcome, early.domain) == (Outcome.AWAITED, None)
    assert created.outcome is Outcome.CREATED
    assert created.domain.configuration.attached_certificate_id == certificate_id
    assert await awaited(owner) == []


async def test_of_uploads_that_come_before_their_domain_the_newest_is_attached(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    old, new = await uploaded(owner, NAME), await uploaded(owner, NAME)

    await attach(validator, new, 2)
    late = await attach(validator, old, 1)
    await register(pool, 3)

    assert late.outcome is Outcome.STALE
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
async def test_the_newest_of_all_requests_is_attached_in_whatever_order_they_come(
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


async def test_registering_again_leaves_an_attached_certificate_where_it_is(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
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

    assert late.outcome is Outcome.STALE
    assert await attached_to(pool) is None


async def test_a_detachment_that_is_older_than_an_upload_changes_nothing_else_either(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool)
    await attach(validator, certificate_id, 2)

    late = await update(pool, 1, None)

    assert late is not None
    assert late.outcome is Outcome.UNCHANGED
    assert await attached_to(pool) == certificate_id


async def test_a_newer_detachment_detaches(pool: Pool, validator: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, NAME)
    await register(pool)
    await attach(validator, certificate_id, 1)

    applied = await update(pool, 2, None)

    assert applied is not None
    assert applied.outcome is Outcome.CHANGED
    assert applied.domain.configuration.attached_certificate_id is None


async def test_what_an_earlier_release_attached_stays_when_the_domain_is_registered_again(
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

    assert late.outcome is Outcome.STALE
    assert await awaited(owner) == []


async def test_a_certificate_of_another_tenant_cannot_be_attached(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME, tenant="first")

    with pytest.raises(domains.UnfitCertificateError, match="no certificate"):
        await register(pool, tenant="second", certificate_id=certificate_id)
    with pytest.raises(domains.UnfitCertificateError, match="no certificate"):
        await attach(validator, certificate_id, 1, tenant="second")


async def test_a_certificate_for_other_names_is_refused_with_these_and_the_domain(
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


async def test_of_a_certificate_for_hundreds_of_names_twenty_are_shown(pool: Pool, owner: Connection) -> None:
    certificate_id = await uploaded(owner, *(f"s{number}.example.com" for number in range(90)))

    with pytest.raises(domains.UnfitCertificateError, match=r"s19\.example\.com and 70 more, not for"):
        await register(pool, certificate_id=certificate_id)


async def test_an_automatic_certificate_cannot_be_attached(pool: Pool, owner: Connection) -> None:
    certificate_id = await stored.store(owner, stored.make(NAME))

    with pytest.raises(domains.UnfitCertificateError, match="automatic"):
        await register(pool, certificate_id=certificate_id)


async def test_a_certificate_that_the_tls_policy_names_must_be_there(pool: Pool) -> None:
    with pytest.raises(domains.UnfitCertificateError, match="there is no certificate 'cert_gone'"):
        await register(pool, terminate_tls=TerminateTls(server_certificate_id="cert_gone"))


async def test_uploads_that_attach_to_the_same_names_at_once_wait_for_each_other_and_not_for_ever(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    names = [Name(f"s{number}.example.com") for number in range(12)]
    certificate_ids = [await uploaded(owner, "*.example.com") for _ in range(6)]
    for name in names[::2]:  # the others are awaited
        await register(pool, name=name)

    async def upload(number: int) -> None:
        async with validator.transaction() as connection:
            await domains.attach_to_all(
                connection,
                tenant="",
                names=names if number % 2 else names[::-1],
                certificate_id=certificate_ids[number],
                requested_at=at(number),
            )

    async with asyncio.timeout(30):
        await asyncio.gather(*(upload(number) for number in range(6)))

    attached = await owner.fetch("SELECT DISTINCT attached_certificate_id AS id FROM registry.domains")
    assert [row["id"] for row in attached] == [certificate_ids[5]]
    assert set(await awaited(owner)) == {certificate_ids[5]}


async def test_a_certificate_is_attached_or_deleted_but_never_both(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    await register(pool, terminate_tls=None)
    for minute in range(1, 21):
        certificate_id = await uploaded(owner, NAME)

        asked, users = await asyncio.gather(
            register(pool, minute, terminate_tls=TerminateTls(server_certificate_id=certificate_id)),
            forget(validator, certificate_id),
            return_exceptions=True,
        )

        if isinstance(asked, domains.UnfitCertificateError):
            assert users == ()
        else:
            assert not isinstance(asked, BaseException)
            assert users == (NAME,)


async def test_an_upload_and_the_registration_of_its_domain_meet_whoever_is_first(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    for number in range(30):
        tenant = f"tenant {number}"
        certificate_id = await uploaded(owner, NAME, tenant=tenant)

        await asyncio.gather(
            attach(validator, certificate_id, number % 3, tenant=tenant), register(pool, 1, tenant=tenant)
        )

        assert await attached_to(pool, tenant=tenant) == certificate_id
        assert await awaited(owner, tenant=tenant) == []


async def test_what_is_awaited_is_found_or_deleted_but_never_both(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    for number in range(30):
        tenant = f"tenant {number}"
        certificate_id = await uploaded(owner, NAME, tenant=tenant)
        await attach(validator, certificate_id, 1, tenant=tenant)

        _, users = await asyncio.gather(
            register(pool, 2, tenant=tenant), forget(validator, certificate_id, tenant=tenant)
        )

        served = await attached_to(pool, tenant=tenant)
        assert (served, users) in [(certificate_id, (NAME,)), (None, ())]


async def test_an_awaited_certificate_that_is_deleted_is_awaited_no_more(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    certificate_id = await uploaded(owner, NAME)
    await attach(validator, certificate_id, 1)
    await forget(validator, certificate_id)

    created = await register(pool, 2)

    assert created.domain.configuration == replace(created.domain.configuration, attached_certificate_id=None)
