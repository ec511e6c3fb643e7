"""Each service reaches only its own rows, whatever its statement."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from dev.servers.database import DatabaseServer
from shared.store import Connection, Role
from shared.store.roles import role_name

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES: tuple[Role, ...] = ("provisioner", "validator", "terminator", "api")
OTHERS = list(zip(SERVICES, (*SERVICES[1:], SERVICES[0]), strict=True))
INSERTS = {
    "outbox": "INSERT INTO messaging.outbox (service, key, type, event_id, source, time, data) "
    "VALUES ($1, 'k', CASE $1 WHEN 'terminator' THEN 'certificate.deployed' ELSE 'domain.changed' END, "
    "'e', 's', now(), '{}')",
    "inbox": "INSERT INTO messaging.inbox (consumer, user_id, source, event_id) VALUES ($1, 'u', 's', 'e')",
    "dead_letters": "INSERT INTO messaging.dead_letters "
    "(service, queue, exchange, routing_key, reason_code, reason, headers, body, is_whole) "
    "VALUES ($1, 'q', 'x', 'r', 'c', 'r', '{}', '', true)",
    "leases": "INSERT INTO messaging.leases (name, service) VALUES ('relay.' || $1, $1)",
}
WHOSE = {"outbox": "service", "inbox": "consumer", "dead_letters": "service", "leases": "service"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(postgresql: DatabaseServer, migrated_template: str) -> AsyncIterator[Connection]:
    url = await postgresql.create_database(template=migrated_template)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
    await postgresql.drop_database(url)


@pytest_asyncio.fixture(loop_scope="module")
async def session(database: Connection) -> AsyncIterator[Connection]:
    """Yield a session of the owner in a transaction that is rolled back; `become` gives it a role's rights."""
    transaction = database.transaction()
    await transaction.start()
    yield database
    await transaction.rollback()


async def become(session: Connection, role: Role | None) -> None:
    """Give *session* the rights of *role*, or of the owner again."""
    await session.execute(f"SET LOCAL ROLE {role_name(role) if role else 'NONE'}")


async def is_refused(session: Connection, statement: str, *args: object) -> bool:
    try:
        async with session.transaction():
            await session.execute(statement, *args)
    except asyncpg.InsufficientPrivilegeError as error:
        return "row-level security" in str(error)
    return False


async def give_everybody_a_row(session: Connection) -> None:
    for statement in INSERTS.values():
        for service in SERVICES:
            await session.execute(statement, service)


@pytest.mark.parametrize("table", INSERTS)
@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_writes_rows_of_its_own(session: Connection, table: str, role: Role) -> None:
    await become(session, role)

    assert await session.execute(INSERTS[table], role) == "INSERT 0 1"


@pytest.mark.parametrize("table", INSERTS)
@pytest.mark.parametrize(("role", "other"), OTHERS)
async def test_a_service_cannot_write_rows_of_another(session: Connection, table: str, role: Role, other: Role) -> None:
    await become(session, role)

    assert await is_refused(session, INSERTS[table], other)


@pytest.mark.parametrize("table", ["outbox", "inbox", "leases"])
@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_sees_its_own_rows_only(session: Connection, table: str, role: Role) -> None:
    await give_everybody_a_row(session)
    await become(session, role)

    seen = await session.fetch(f"SELECT {WHOSE[table]} AS whose FROM messaging.{table}")

    # The API's dashboard shows all processed events, from any consumer.
    expected = set(SERVICES) if (role, table) == ("api", "inbox") else {role}
    assert {row["whose"] for row in seen} == expected


@pytest.mark.parametrize("role", ["provisioner", "validator", "terminator"])
@pytest.mark.parametrize("table", ["outbox", "inbox"])
async def test_a_service_deletes_its_own_rows_only(session: Connection, table: str, role: Role) -> None:
    await give_everybody_a_row(session)
    await become(session, role)

    await session.execute(f"DELETE FROM messaging.{table}")

    await become(session, None)
    left = await session.fetch(f"SELECT {WHOSE[table]} AS whose FROM messaging.{table}")
    assert {row["whose"] for row in left} == set(SERVICES) - {role}


@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_cannot_acquire_the_lease_of_another(session: Connection, role: Role) -> None:
    await give_everybody_a_row(session)
    await become(session, role)

    await session.execute("UPDATE messaging.leases SET holder = 'me', token = token + 1")

    await become(session, None)
    assert await session.fetchval("SELECT array_agg(service) FROM messaging.leases WHERE holder = 'me'") == [role]


async def test_a_service_cannot_take_the_name_of_anothers_lease(session: Connection) -> None:
    await become(session, "terminator")

    with pytest.raises(asyncpg.CheckViolationError):
        async with session.transaction():
            await session.execute(
                "INSERT INTO messaging.leases (name, service) VALUES ('relay.provisioner', 'terminator')"
            )


async def test_the_inbox_of_a_service_may_have_several_consumers(session: Connection) -> None:
    await become(session, "provisioner")

    assert await session.execute(INSERTS["inbox"], "provisioner.dead_letters") == "INSERT 0 1"
    assert await is_refused(session, INSERTS["inbox"], "provisioner2")


@pytest.mark.parametrize("role", ["operator", "api"])
async def test_people_see_replay_and_drop_the_dead_letters_of_all(session: Connection, role: Role) -> None:
    await give_everybody_a_row(session)
    await become(session, role)

    replayed = await session.execute("UPDATE messaging.dead_letters SET replayed_at = now()")
    dropped = await session.execute("DELETE FROM messaging.dead_letters")

    assert (replayed, dropped) == ("UPDATE 4", "DELETE 4")


@pytest.mark.parametrize(("role", "other"), [("provisioner", "validator"), ("validator", "provisioner")])
async def test_a_service_stores_keys_in_its_own_name_only(session: Connection, role: Role, other: str) -> None:
    insert = (
        "INSERT INTO registry.keys (id, tenant, writer, format, signing_key_id, public_key, ciphertext, signature) "
        "VALUES ('key_' || repeat('0', 24), '', $1, 1, '', '', '', '')"
    )
    await become(session, role)

    assert await is_refused(session, insert, other)
    assert await session.execute(insert, role) == "INSERT 0 1"


@pytest.mark.parametrize(("role", "source"), [("provisioner", "uploaded"), ("validator", "automatic")])
async def test_a_service_stores_certificates_of_its_own_making_only(
    session: Connection, role: Role, source: str
) -> None:
    insert = (
        "INSERT INTO registry.certificates (id, tenant, source, leaf, chain_id, key_id, key_type, names, "
        "not_before, not_after, serial_number, fingerprint, issuer) "
        "VALUES ('cert_1', '', $1, '', '', '', 'ecdsa', '{}', now(), now(), '', sha256(''), '')"
    )
    await become(session, role)

    assert await is_refused(session, insert, source)


@pytest.mark.parametrize(
    ("service", "event_type"),
    [
        ("terminator", "certificate.ready"),
        ("terminator", "domain.created"),
        ("validator", "certificate.failed"),
        ("provisioner", "certificate.deployed"),
        ("provisioner", "domain.created"),
        ("api", "certificate.ready"),
    ],
)
async def test_a_service_publishes_only_events_of_its_own_types(
    session: Connection, service: Role, event_type: str
) -> None:
    await become(session, service)

    with pytest.raises(asyncpg.CheckViolationError):
        await session.execute(
            "INSERT INTO messaging.outbox (service, key, type, event_id, source, time, data) "
            "VALUES ($1, 'k', $2, 'e', 's', now(), '{}')",
            service,
            event_type,
        )
