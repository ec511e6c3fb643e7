"""Concurrent attachments, registrations and deletions: none deadlocks, and each combination ends in a valid state."""

import asyncio
from contextlib import suppress
from random import Random

from dev.waiting import within
from shared.events import TerminateTls
from shared.names import Name
from shared.registry import domains
from shared.store import Connection, Pool
from tests.builders.attachments import (
    NAME,
    attach,
    attach_to,
    attached_to,
    awaited,
    delete,
    forget,
    register,
    uploaded,
)


async def test_concurrent_uploads_for_the_same_names_do_not_deadlock(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    names = [Name(f"s{number}.example.com") for number in range(12)]
    certificate_ids = [await uploaded(owner, "*.example.com") for _ in range(6)]
    for name in names[::2]:  # the other names are awaited
        await register(pool, name=name)

    async def upload(number: int) -> None:
        await attach_to(validator, names if number % 2 else names[::-1], certificate_ids[number], number)

    async with within("all uploads to be attached"):
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


async def test_an_upload_is_attached_whether_it_or_its_domains_registration_is_first(
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


async def test_an_awaited_certificate_is_attached_or_deleted_but_never_both(
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


async def test_concurrent_requests_never_deadlock_and_leave_no_registered_domain_awaiting(
    pool: Pool, validator: Pool, owner: Connection
) -> None:
    names = [Name(f"s{number}.example.com") for number in range(4)]
    certificate_ids = [await uploaded(owner, "*.example.com") for _ in range(8)]
    dice = Random(7)

    async def work() -> None:
        for _ in range(60):
            name, certificate_id, minute = dice.choice(names), dice.choice(certificate_ids), dice.randrange(20)
            with suppress(domains.UnfitCertificateError):  # another task has deleted it
                match dice.randrange(5):
                    case 0:
                        await register(pool, minute, name=name)
                    case 1:
                        await register(pool, minute, name=name, certificate_id=certificate_id)
                    case 2:
                        await delete(pool, minute, name=name)
                    case 3:
                        await attach_to(validator, dice.sample(names, 3), certificate_id, minute)
                    case _:
                        await forget(validator, certificate_id)

    async with within("all work to be done"):
        await asyncio.gather(*(work() for _ in range(6)))

    living = await owner.fetch("SELECT name FROM registry.domains WHERE deleted_at IS NULL")
    waiting = await owner.fetch("SELECT name FROM registry.awaited_attachments")
    assert {row["name"] for row in living}.isdisjoint(row["name"] for row in waiting)
