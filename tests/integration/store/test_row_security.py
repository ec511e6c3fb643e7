"""Each service reaches its own rows only, whatever it asks for."""

import asyncpg
import pytest

from shared.store import Connection, Role, open_connection

SERVICES: tuple[Role, ...] = ("provisioner", "validator", "terminator", "api")
OTHERS = list(zip(SERVICES, (*SERVICES[1:], SERVICES[0]), strict=True))
INSERTS = {
    "outbox": "INSERT INTO messaging.outbox (service, key, type, event_id, source, time, data) "
    "VALUES ($1, 'k', 't', 'e', 's', now(), '{}')",
    "inbox": "INSERT INTO messaging.inbox (consumer, user_id, source, event_id) VALUES ($1, 'u', 's', 'e')",
    "dead_letters": "INSERT INTO messaging.dead_letters "
    "(service, queue, exchange, routing_key, reason_code, reason, headers, body, is_whole) "
    "VALUES ($1, 'q', 'x', 'r', 'c', 'r', '{}', '', true)",
    "leases": "INSERT INTO messaging.leases (name, service) VALUES ('relay.' || $1, $1)",
}
WHOSE = {"outbox": "service", "inbox": "consumer", "dead_letters": "service", "leases": "service"}


async def give_everybody_a_row(owner: Connection) -> None:
    for statement in INSERTS.values():
        for service in SERVICES:
            await owner.execute(statement, service)


@pytest.mark.parametrize("table", INSERTS)
@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_writes_rows_of_its_own(database_url: str, table: str, role: Role) -> None:
    async with open_connection(database_url, role=role) as connection:
        assert await connection.execute(INSERTS[table], role) == "INSERT 0 1"


@pytest.mark.parametrize("table", INSERTS)
@pytest.mark.parametrize(("role", "other"), OTHERS)
async def test_a_service_cannot_write_rows_of_another(database_url: str, table: str, role: Role, other: Role) -> None:
    async with open_connection(database_url, role=role) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(INSERTS[table], other)


@pytest.mark.parametrize("table", ["outbox", "inbox", "leases"])
@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_sees_its_own_rows_only(database_url: str, owner: Connection, table: str, role: Role) -> None:
    await give_everybody_a_row(owner)

    async with open_connection(database_url, role=role) as connection:
        seen = await connection.fetch(f"SELECT {WHOSE[table]} AS whose FROM messaging.{table}")

    # The API's dashboard shows what was acted on, whoever did.
    expected = set(SERVICES) if (role, table) == ("api", "inbox") else {role}
    assert {row["whose"] for row in seen} == expected


@pytest.mark.parametrize("role", ["provisioner", "validator", "terminator"])
@pytest.mark.parametrize("table", ["outbox", "inbox"])
async def test_a_service_deletes_its_own_rows_only(
    database_url: str, owner: Connection, table: str, role: Role
) -> None:
    await give_everybody_a_row(owner)

    async with open_connection(database_url, role=role) as connection:
        await connection.execute(f"DELETE FROM messaging.{table}")

    left = await owner.fetch(f"SELECT {WHOSE[table]} AS whose FROM messaging.{table}")
    assert {row["whose"] for row in left} == set(SERVICES) - {role}


@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_takes_no_lease_of_another(database_url: str, owner: Connection, role: Role) -> None:
    await give_everybody_a_row(owner)

    async with open_connection(database_url, role=role) as connection:
        await connection.execute("UPDATE messaging.leases SET holder = 'me', token = token + 1")

    assert await owner.fetchval("SELECT array_agg(service) FROM messaging.leases WHERE holder = 'me'") == [role]


async def test_a_service_cannot_take_the_name_of_anothers_lease(database_url: str) -> None:
    async with open_connection(database_url, role="terminator") as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "INSERT INTO messaging.leases (name, service) VALUES ('relay.provisioner', 'terminator')"
            )


async def test_the_inbox_of_a_service_may_have_several_consumers(database_url: str) -> None:
    async with open_connection(database_url, role="provisioner") as connection:
        assert await connection.execute(INSERTS["inbox"], "provisioner.dead_letters") == "INSERT 0 1"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(INSERTS["inbox"], "provisioner2")


@pytest.mark.parametrize("role", ["operator", "api"])
async def test_people_see_replay_and_drop_the_dead_letters_of_all(
    database_url: str, owner: Connection, role: Role
) -> None:
    await give_everybody_a_row(owner)

    async with open_connection(database_url, role=role) as connection:
        replayed = await connection.execute("UPDATE messaging.dead_letters SET replayed_at = now()")
        dropped = await connection.execute("DELETE FROM messaging.dead_letters")

    assert (replayed, dropped) == ("UPDATE 4", "DELETE 4")


@pytest.mark.parametrize(("role", "writer"), [("provisioner", "validator"), ("validator", "provisioner")])
async def test_a_service_stores_keys_in_its_own_name_only(database_url: str, role: Role, writer: str) -> None:
    insert = (
        "INSERT INTO registry.keys (id, tenant, writer, format, signing_key_id, public_key, ciphertext, signature) "
        "VALUES ('key_' || repeat('0', 24), '', $1, 1, '', '', '', '')"
    )

    async with open_connection(database_url, role=role) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(insert, writer)
        assert await connection.execute(insert, role) == "INSERT 0 1"


@pytest.mark.parametrize(("role", "source"), [("provisioner", "uploaded"), ("validator", "automatic")])
async def test_a_service_stores_certificates_of_its_own_making_only(database_url: str, role: Role, source: str) -> None:
    async with open_connection(database_url, role=role) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(
                "INSERT INTO registry.certificates (id, tenant, source, leaf, chain_id, key_id, key_type, names, "
                "not_before, not_after, serial_number, fingerprint, issuer) "
                "VALUES ('cert_1', '', $1, '', '', '', 'ecdsa', '{}', now(), now(), '', sha256(''), '')",
                source,
            )
