"""Certificates and their keys in the database."""

import asyncpg
import pytest

from shared.certificates import parse
from shared.errors import SealError
from shared.identifiers import CertificateId, DomainId, KeyId
from shared.names import Name
from shared.registry import certificates, domains
from shared.registry.domains import Configuration
from shared.store import Connection, Pool, open_connection
from tests.builders import stored_rows

NAME = Name("shop.example.com")


async def register(connection: Connection, *, tenant: str = "", name: Name = NAME) -> DomainId:
    applied = await domains.register(
        connection, tenant=tenant, name=name, requested_at=stored_rows.LONG_AGO, configuration=Configuration()
    )
    return applied.domain.id


async def delete(connection: Connection) -> None:
    await domains.delete(connection, tenant="", name=NAME, requested_at=stored_rows.LONG_AGO)


async def wraps(owner: Connection) -> set[str]:
    return {row["key_id"] for row in await owner.fetch("SELECT key_id FROM registry.key_wraps")}


async def test_a_stored_certificate_is_read_completely_and_its_key_opens(pool: Pool, database_url: str) -> None:
    made = stored_rows.make(NAME, tenant="acme")
    async with pool.transaction() as connection:
        certificate_id = await stored_rows.store(connection, made, tenant="acme")

    async with open_connection(database_url, role="terminator") as connection:
        found = await certificates.find(connection, certificate_id)
        assert found is not None
        sealed = await certificates.sealed_key(connection, found.key_id)

    assert (found.leaf, found.chain, found.tenant, found.source) == (made.leaf, made.issuers, "acme", "automatic")
    assert found.facts == parse(made.leaf)
    assert sealed == made.sealed
    assert stored_rows.READER.open(sealed, tenant="acme") == made.private_key


async def test_a_key_that_was_copied_to_another_tenants_row_does_not_open(pool: Pool, owner: Connection) -> None:
    made = stored_rows.make(NAME, tenant="victim")
    async with pool.transaction() as connection:
        await stored_rows.store(connection, made, tenant="victim")
    copy = KeyId("key_" + "0" * 24)
    await owner.execute(
        "INSERT INTO registry.keys (id, tenant, writer, format, signing_key_id, public_key, ciphertext, signature) "
        "SELECT $1, 'thief', writer, format, signing_key_id, public_key, ciphertext, signature FROM registry.keys",
        copy,
    )
    await owner.execute(
        "INSERT INTO registry.key_wraps (key_id, vault_key_id, wrap) SELECT $1, vault_key_id, wrap "
        "FROM registry.key_wraps",
        copy,
    )

    sealed = await certificates.sealed_key(owner, copy)

    assert sealed is not None
    with pytest.raises(SealError):
        stored_rows.READER.open(sealed, tenant="thief")


async def test_certificates_of_one_issuer_share_its_chain(pool: Pool, owner: Connection) -> None:
    async with pool.transaction() as connection:
        await stored_rows.store(connection, stored_rows.make("a.example.com"))
        await stored_rows.store(connection, stored_rows.make("b.example.com"))

    assert await owner.fetchval("SELECT count(*) FROM registry.chains") == 1


async def test_a_certificate_that_is_inserted_twice_is_stored_once(pool: Pool) -> None:
    made = stored_rows.make(NAME)
    async with pool.transaction() as connection:
        first = await stored_rows.store(connection, made)
        second = await certificates.insert(
            connection,
            certificate_id=CertificateId("cert_another"),
            tenant="",
            source="automatic",
            key_id=made.sealed.key_id,
            chain=(made.leaf, *made.issuers),
            facts=parse(made.leaf),
        )

    assert second == first


async def test_a_certificate_without_issuers_is_stored(pool: Pool) -> None:
    made = stored_rows.make(NAME)
    async with pool.transaction() as connection:
        await certificates.insert_key(connection, made.sealed, tenant="")
        certificate_id = await certificates.insert(
            connection,
            certificate_id=CertificateId("cert_alone"),
            tenant="",
            source="automatic",
            key_id=made.sealed.key_id,
            chain=(made.leaf,),
            facts=parse(made.leaf),
        )
        found = await certificates.find(connection, certificate_id)

    assert found is not None
    assert found.chain == ()


async def test_no_other_chain_can_be_stored_under_the_id_of_a_chain(pool: Pool) -> None:
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "INSERT INTO registry.chains (id, certificates) VALUES (registry.chain_id($1), $2)",
                [b"genuine"],
                [b"gen", b"uine"],
            )


async def test_a_key_of_another_tenant_cannot_be_used_for_a_certificate(pool: Pool) -> None:
    made = stored_rows.make(NAME, tenant="victim")
    async with pool.acquire() as connection:
        await certificates.insert_key(connection, made.sealed, tenant="victim")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await certificates.insert(
                connection,
                certificate_id=CertificateId("cert_stolen"),
                tenant="thief",
                source="automatic",
                key_id=made.sealed.key_id,
                chain=(made.leaf,),
                facts=parse(made.leaf),
            )


async def test_a_domain_cannot_have_the_certificate_of_another_tenant(pool: Pool) -> None:
    async with pool.transaction() as connection:
        certificate_id = await stored_rows.store(connection, stored_rows.make(NAME, tenant="victim"), tenant="victim")
        domain_id = await register(connection, tenant="thief")

    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await domains.set_automatic_certificate(connection, domain_id, certificate_id)


async def test_an_unknown_certificate_is_not_found(pool: Pool) -> None:
    async with pool.acquire() as connection:
        assert await certificates.find(connection, CertificateId("cert_unknown")) is None


async def test_deleting_a_domain_erases_the_keys_made_for_it(pool: Pool, database_url: str) -> None:
    made = stored_rows.make(NAME)
    async with pool.transaction() as connection:
        domain_id = await register(connection)
        certificate_id = await stored_rows.store(connection, made)
        await stored_rows.add_order(connection, domain_id, key_id=made.sealed.key_id)
        await domains.set_automatic_certificate(connection, domain_id, certificate_id)
        certificate = await certificates.find(connection, certificate_id)
        assert certificate is not None
        assert await certificates.is_openable(connection, certificate)

        await delete(connection)
        erased = await domains.erase_keys(connection, domain_id)

        assert erased == 1
        assert not await certificates.is_openable(connection, certificate)
    async with open_connection(database_url, role="terminator") as connection:
        assert await certificates.sealed_key(connection, made.sealed.key_id) is None


async def test_the_keys_of_a_registered_domain_are_not_erased(pool: Pool, owner: Connection) -> None:
    made = stored_rows.make(NAME)
    async with pool.transaction() as connection:
        domain_id = await register(connection)
        await stored_rows.store(connection, made)
        await stored_rows.add_order(connection, domain_id, key_id=made.sealed.key_id)

        assert await domains.erase_keys(connection, domain_id) == 0

    assert await wraps(owner) == {made.sealed.key_id}


@pytest.mark.parametrize(
    "use",
    [
        "automatic_certificate_id = $2",
        "attached_certificate_id = $2",
        "terminate_tls = jsonb_build_object('server_certificate_id', $2::text)",
    ],
)
async def test_a_key_that_another_domain_uses_is_not_erased(pool: Pool, use: str) -> None:
    made = stored_rows.make(NAME)
    async with pool.transaction() as connection:
        domain_id = await register(connection)
        certificate_id = await stored_rows.store(connection, made)
        await stored_rows.add_order(connection, domain_id, key_id=made.sealed.key_id)
        other_id = await register(connection, name=Name("other.example.com"))
        await connection.execute(f"UPDATE registry.domains SET {use} WHERE id = $1", other_id, certificate_id)
        await delete(connection)

        assert await domains.erase_keys(connection, domain_id) == 0


async def test_a_key_that_was_uploaded_cannot_be_erased_by_naming_it_in_an_order(pool: Pool, owner: Connection) -> None:
    made = stored_rows.make(NAME)
    await certificates.insert_key(owner, made.sealed, tenant="")
    await owner.execute("UPDATE registry.keys SET writer = 'validator'")
    async with pool.transaction() as connection:
        domain_id = await register(connection)
        await stored_rows.add_order(connection, domain_id, key_id=made.sealed.key_id)
        await delete(connection)

        assert await domains.erase_keys(connection, domain_id) == 0

    assert await wraps(owner) == {made.sealed.key_id}
