"""Requests about domains that arrive twice, concurrently, late and out of order."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shared.events import CertificateManagementPolicy, TerminateTls
from shared.identifiers import CertificateId, DomainId, new_domain_id
from shared.names import Name
from shared.registry import domains
from shared.registry.domains import Applied, Configuration, Effect
from shared.store import Connection, Pool
from tests.builders import stored_rows

NAME = Name("shop.example.com")
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
DomainRequest = Callable[[Connection, str], Awaitable[Applied | None]]


def at(minute: int) -> datetime:
    return EARLY + timedelta(minutes=minute)


async def register(
    connection: Connection, minute: int = 0, *, tenant: str = "", name: Name = NAME, upstream: str | None = None
) -> Applied:
    return await domains.register(
        connection,
        tenant=tenant,
        name=name,
        requested_at=at(minute),
        configuration=Configuration(upstream=upstream),
    )


async def delete(connection: Connection, minute: int, *, tenant: str = "") -> Applied:
    return await domains.delete(connection, tenant=tenant, name=NAME, requested_at=at(minute))


async def test_a_registered_domain_is_read_as_it_was_requested(pool: Pool) -> None:
    configuration = Configuration(
        upstream="tcp://127.0.0.1:80",
        policy=CertificateManagementPolicy(private_key_type="rsa"),
        terminate_tls=TerminateTls(min_version="1.3"),
        description="a shop",
        metadata="{}",
    )

    async with pool.transaction() as connection:
        applied = await domains.register(
            connection, tenant="acme", name=NAME, requested_at=EARLY, configuration=configuration
        )

    async with pool.acquire() as connection:
        found = await domains.find(connection, tenant="acme", name=NAME)
    assert applied.effect is Effect.CREATED
    assert applied.has_changed
    assert found == applied.domain
    assert found.configuration == configuration
    assert (found.holds_name, found.is_deleted, found.requested_at) == (True, False, EARLY)


async def test_five_equal_concurrent_requests_create_one_domain(pool: Pool) -> None:
    async def request() -> Applied:
        async with pool.transaction() as connection:
            return await register(connection)

    applied = await asyncio.gather(*(request() for _ in range(5)))

    assert sorted(each.effect for each in applied) == [Effect.CREATED, *[Effect.UNCHANGED] * 4]
    assert len({each.domain.id for each in applied}) == 1


async def test_of_concurrent_tenants_with_one_name_exactly_one_holds_it(pool: Pool) -> None:
    async def request(tenant: str) -> Applied:
        async with pool.transaction() as connection:
            return await register(connection, tenant=tenant)

    applied = await asyncio.gather(*(request(f"tenant {number}") for number in range(8)))

    assert [each.effect for each in applied] == [Effect.CREATED] * 8
    assert [each.domain.holds_name for each in applied].count(True) == 1


async def test_registering_again_changes_the_fields_that_differ(pool: Pool) -> None:
    async with pool.transaction() as connection:
        first = await register(connection, 0, upstream="tcp://10.0.0.1:80")
        second = await register(connection, 1, upstream="tcp://10.0.0.2:80")

    assert second.effect is Effect.CHANGED
    assert second.domain.configuration.upstream == "tcp://10.0.0.2:80"
    assert second.domain.id == first.domain.id
    assert second.domain.version > first.domain.version


async def test_an_older_request_changes_nothing(pool: Pool) -> None:
    async with pool.transaction() as connection:
        newest = await register(connection, 2, upstream="tcp://10.0.0.2:80")
        older = await register(connection, 1, upstream="tcp://10.0.0.1:80")
        updated = await domains.update(connection, tenant="", name=NAME, requested_at=at(1), upstream=None)
        deleted = await delete(connection, 1)

    assert updated is not None
    assert {older.effect, updated.effect, deleted.effect} == {Effect.STALE}
    assert not older.has_changed
    assert older.domain == updated.domain == deleted.domain == newest.domain


async def test_a_request_that_changes_nothing_still_outdates_older_ones(pool: Pool) -> None:
    async with pool.transaction() as connection:
        await register(connection, 0, upstream="tcp://10.0.0.1:80")
        same = await register(connection, 2, upstream="tcp://10.0.0.1:80")
        older = await register(connection, 1, upstream="tcp://10.0.0.2:80")

    assert (same.effect, older.effect) == (Effect.UNCHANGED, Effect.STALE)


async def test_a_request_dated_in_the_future_does_not_win_over_later_ones(pool: Pool) -> None:
    async with pool.transaction() as connection:
        await register(connection, minute=60 * 24 * 365 * 100, upstream="tcp://10.0.0.1:80")
    async with pool.transaction() as connection:
        after = await domains.delete(connection, tenant="", name=NAME, requested_at=datetime.now(UTC))

    assert after.effect is Effect.DELETED


async def test_requests_dated_in_the_future_keep_their_order_of_arrival(pool: Pool) -> None:
    far, farther = at(10**8), at(10**9)
    async with pool.transaction() as connection:
        await domains.register(connection, tenant="", name=NAME, requested_at=farther, configuration=Configuration())
        deleted = await domains.delete(connection, tenant="", name=NAME, requested_at=far)

    assert deleted.effect is Effect.DELETED


async def test_an_update_changes_the_named_fields_only(pool: Pool) -> None:
    async with pool.transaction() as connection:
        before = await register(connection, 0, upstream="tcp://10.0.0.1:80")
        after = await domains.update(connection, tenant="", name=NAME, requested_at=at(1), description="a shop")

    assert after is not None
    assert after.effect is Effect.CHANGED
    assert after.domain.configuration == Configuration(upstream="tcp://10.0.0.1:80", description="a shop")
    assert after.domain.version > before.domain.version


async def test_a_field_can_be_set_to_null(pool: Pool) -> None:
    async with pool.transaction() as connection:
        await domains.register(
            connection,
            tenant="",
            name=NAME,
            requested_at=EARLY,
            configuration=Configuration(policy=CertificateManagementPolicy()),
        )
        await domains.update(connection, tenant="", name=NAME, requested_at=at(1), policy=None)
        found = await domains.find(connection, tenant="", name=NAME)

    assert found is not None
    assert found.policy is None


async def test_an_unregistered_domain_cannot_be_updated(pool: Pool) -> None:
    async with pool.transaction() as connection:
        never = await domains.update(connection, tenant="", name=NAME, requested_at=at(0), description="a shop")
        await register(connection, 1)
        of_another = await domains.update(connection, tenant="x", name=NAME, requested_at=at(2), description="mine")
        await delete(connection, 3)
        no_more = await domains.update(connection, tenant="", name=NAME, requested_at=at(4), description="a shop")

    assert (never, of_another, no_more) == (None, None, None)


async def test_a_deleted_domain_holds_no_name_and_is_revived_with_its_id(pool: Pool, owner: Connection) -> None:
    certificate_id = await stored_rows.store(owner, stored_rows.make(NAME))
    async with pool.transaction() as connection:
        created = await register(connection, 0)
        await domains.set_automatic_certificate(connection, created.domain.id, certificate_id)
        deleted = await delete(connection, 1)
        again = await delete(connection, 2)
        revived = await register(connection, 3)

    assert (deleted.effect, again.effect, revived.effect) == (
        Effect.DELETED,
        Effect.UNCHANGED,
        Effect.REVIVED,
    )
    assert (deleted.domain.holds_name, deleted.domain.automatic_certificate_id) == (False, None)
    assert revived.domain.id == created.domain.id
    assert revived.domain.version > deleted.domain.version > created.domain.version
    assert revived.domain.holds_name


async def test_the_newest_request_wins_in_any_order_of_arrival(pool: Pool) -> None:
    async def update(connection: Connection, tenant: str) -> Applied | None:
        return await domains.update(
            connection, tenant=tenant, name=NAME, requested_at=at(2), upstream="tcp://10.0.0.2:80"
        )

    requests: tuple[DomainRequest, ...] = (
        lambda connection, tenant: register(connection, 1, tenant=tenant, upstream="tcp://10.0.0.1:80"),
        update,
        lambda connection, tenant: delete(connection, 3, tenant=tenant),
        lambda connection, tenant: register(connection, 4, tenant=tenant, upstream="tcp://10.0.0.4:80"),
    )
    orders = {f"tenant {number}": order for number, order in enumerate(permutations(requests))}

    for tenant, order in orders.items():
        async with pool.transaction() as connection:
            for request in order:
                await request(connection, tenant)

    async with pool.acquire() as connection:
        claims = await domains.claims_on(connection, NAME)
    assert {claim.tenant for claim in claims} == set(orders)
    assert {claim.configuration.upstream for claim in claims} == {"tcp://10.0.0.4:80"}


async def test_a_deletion_wins_over_an_older_registration_that_arrives_later(pool: Pool) -> None:
    async with pool.transaction() as connection:
        deleted = await delete(connection, 1)
        late = await register(connection, 0)

    assert (deleted.effect, late.effect) == (Effect.UNCHANGED, Effect.STALE)
    assert late.domain.is_deleted


async def test_a_free_name_goes_to_the_next_registration(pool: Pool) -> None:
    async with pool.transaction() as connection:
        first = await register(connection, tenant="first")
        second = await register(connection, tenant="second")
        await delete(connection, 1, tenant="first")
        again = await register(connection, 2, tenant="second")

    assert (first.domain.holds_name, second.domain.holds_name, again.domain.holds_name) == (True, False, True)
    assert again.effect is Effect.CHANGED


async def test_a_free_name_goes_to_no_existing_registration_by_itself(pool: Pool) -> None:
    async with pool.transaction() as connection:
        await register(connection, tenant="first")
        await register(connection, tenant="second")
        await delete(connection, 1, tenant="first")

        assert await domains.holder_of(connection, NAME) is None
        assert [each.tenant for each in await domains.claims_on(connection, NAME)] == ["second"]


async def test_a_name_is_transferred_from_its_holder(pool: Pool) -> None:
    async with pool.transaction() as connection:
        first = await register(connection, tenant="first")
        second = await register(connection, tenant="second")
        changed = await domains.transfer_name(connection, second.domain.id)
        holder = await domains.holder_of(connection, NAME)

    assert [(each.id, each.holds_name) for each in changed] == [(first.domain.id, False), (second.domain.id, True)]
    assert holder == changed[1]


async def test_a_transfer_to_the_holder_or_to_a_deleted_domain_changes_nothing(pool: Pool) -> None:
    async with pool.transaction() as connection:
        first = await register(connection, tenant="first")
        gone = await register(connection, tenant="second")
        await delete(connection, 1, tenant="second")

        assert await domains.transfer_name(connection, first.domain.id) == ()
        assert await domains.transfer_name(connection, gone.domain.id) == ()


async def test_concurrent_transfers_registrations_and_deletions_leave_at_most_one_holder(pool: Pool) -> None:
    tenants = [f"tenant {number}" for number in range(6)]
    async with pool.transaction() as connection:
        ids = [(await register(connection, tenant=tenant)).domain.id for tenant in tenants]

    async def transfer(domain_id: DomainId) -> None:
        async with pool.transaction() as connection:
            await domains.transfer_name(connection, domain_id)

    async def delete_and_register(tenant: str, minute: int) -> None:
        async with pool.transaction() as connection:
            await delete(connection, minute, tenant=tenant)
        async with pool.transaction() as connection:
            await register(connection, minute + 1, tenant=tenant)

    await asyncio.gather(
        *(transfer(domain_id) for domain_id in ids * 5),
        *(delete_and_register(tenant, 10 * number) for number in range(1, 6) for tenant in tenants),
    )

    async with pool.acquire() as connection:
        claims = await domains.claims_on(connection, NAME)
    assert len(claims) == len(tenants)
    assert [claim.holds_name for claim in claims].count(True) <= 1


async def test_registering_and_locking_a_row_do_not_deadlock(pool: Pool) -> None:
    """Finishing an order locks the row and then the order; registering locks the name and then the row."""
    async with pool.transaction() as connection:
        domain = (await register(connection)).domain

    async def finish() -> None:
        async with pool.transaction() as connection:
            await domains.lock(connection, domain.id)
            await connection.execute("SELECT pg_sleep(0.01)")
            await connection.execute("UPDATE registry.domains SET description = 'x' WHERE id = $1", domain.id)

    async def change(minute: int) -> None:
        async with pool.transaction() as connection:
            await register(connection, minute)

    await asyncio.gather(*(finish() for _ in range(10)), *(change(minute) for minute in range(10)))


async def test_the_error_for_an_unknown_id_names_it(pool: Pool) -> None:
    unknown = new_domain_id()
    async with pool.acquire() as connection:
        with pytest.raises(domains.UnknownDomainError, match=unknown):
            await domains.get(connection, unknown)
        with pytest.raises(domains.UnknownDomainError, match=unknown):
            await domains.lock(connection, unknown)
        with pytest.raises(domains.UnknownDomainError, match=unknown):
            await domains.transfer_name(connection, unknown)
        with pytest.raises(domains.UnknownDomainError, match=unknown):
            await domains.set_automatic_certificate(connection, unknown, CertificateId("cert_x"))


async def test_unknown_fields_of_a_newer_release_are_ignored(pool: Pool, owner: Connection) -> None:
    async with pool.transaction() as connection:
        domain = (await register(connection)).domain
    await owner.execute('UPDATE registry.domains SET policy = \'{"private_key_type": "rsa", "new": 1}\'')

    async with pool.acquire() as connection:
        found = await domains.get(connection, domain.id)

    assert found.policy == CertificateManagementPolicy(private_key_type="rsa")


async def test_a_transfer_without_from_holder_leaves_the_name_with_its_holder(pool: Pool) -> None:
    async with pool.transaction() as connection:
        first = await register(connection, tenant="first")
        second = await register(connection, tenant="second")

        assert await domains.transfer_name(connection, second.domain.id, from_holder=False) == ()
        assert await domains.holder_of(connection, NAME) == first.domain

        await delete(connection, 1, tenant="first")
        (changed,) = await domains.transfer_name(connection, second.domain.id, from_holder=False)
    assert changed.holds_name
