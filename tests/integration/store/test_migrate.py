"""`certsmith migrate` may run concurrently and repeatedly, and only migrates forward."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from certsmith.migration import schema
from certsmith.migration.schema import SchemaError, migrate
from dev.ports import LOOPBACK, free_port
from dev.servers.postgresql import PostgreSQL
from shared.errors import StoreUnavailableError
from shared.identifiers import new_domain_id, new_order_id
from shared.store import ROLES, Connection, migrations, open_pool, roles
from shared.store.roles import RoleError, role_name, scram_verifier

NAMES = tuple(f"{migration.version:04}_{migration.name}" for migration in migrations.known())


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def superuser(module_postgresql: PostgreSQL) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(module_postgresql.url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="module")
async def database(module_postgresql: PostgreSQL) -> str:
    """Return the name of an empty database."""
    name = f"test_{secrets.token_hex(6)}"
    await module_postgresql.create_database(name)
    return name


async def test_an_empty_database_gets_the_whole_schema(empty_database_url: str) -> None:
    migrated = await migrate(empty_database_url)

    assert (migrated.applied, migrated.version) == (NAMES, len(NAMES))


async def test_a_second_time_nothing_is_done(empty_database_url: str) -> None:
    await migrate(empty_database_url)

    assert (await migrate(empty_database_url)).applied == ()


async def test_concurrent_migrations_apply_each_file_once_in_each_database(module_postgresql: PostgreSQL) -> None:
    urls = [await module_postgresql.create_database() for _ in range(3)]

    migrated = await asyncio.gather(*(migrate(url) for url in urls * 5))

    assert sorted(result.applied for result in migrated) == [()] * 12 + [NAMES] * 3


async def test_concurrent_migrations_may_create_the_logins_of_services(module_postgresql: PostgreSQL) -> None:
    urls = [await module_postgresql.create_database() for _ in range(3)]
    password = secrets.token_urlsafe()
    logins = {role: module_postgresql.url_of("x", user=role_name(role), password=password) for role in ROLES}

    await asyncio.gather(*(migrate(url, service_urls=logins) for url in urls * 4))

    connection = await asyncpg.connect(urls[0], user="certsmith_keeper", password=password)
    assert await connection.fetchval("SELECT current_user::text") == "certsmith_keeper"
    await connection.close()


async def test_a_schema_from_the_future_is_left_alone(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO certsmith_migrations (version, name, checksum) VALUES (9999, 'future', 'unknown')"
    )
    await connection.close()

    with pytest.raises(SchemaError, match=r"at version 9999.*knows \d+.*newer release"):
        await migrate(database_url)
    async with open_pool(database_url, role="provisioner") as pool:  # a previous release keeps running
        await pool.check()


async def test_an_applied_migration_that_was_edited_is_noticed(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE certsmith_migrations SET checksum = 'another' WHERE version = 1")
    await connection.close()

    with pytest.raises(SchemaError, match="0001_foundation was edited"):
        await migrate(database_url)


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(module_postgresql: PostgreSQL) -> None:
    url = await module_postgresql.create_database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA terminator")

    with pytest.raises(asyncpg.DuplicateSchemaError):
        await migrate(url)

    assert await connection.fetchval("SELECT to_regclass('certsmith_migrations')") is None
    assert await connection.fetchval("SELECT to_regnamespace('registry')") is None
    await connection.close()


async def test_no_superuser_is_needed(module_postgresql: PostgreSQL, superuser: Connection) -> None:
    await superuser.execute("CREATE ROLE landlord LOGIN CREATEROLE PASSWORD 'rent'")
    await superuser.execute("CREATE DATABASE rented OWNER landlord")
    url = module_postgresql.url_of("rented", user="landlord", password="rent")

    await migrate(url, service_urls={"provisioner": module_postgresql.url_of("rented", user="certsmith_provisioner")})

    async with open_pool(url, role="terminator") as pool, pool.acquire() as connection:
        assert await connection.fetchval("SELECT current_user::text") == "certsmith_terminator"


async def test_the_error_for_a_user_without_createrole_says_what_it_needs(
    module_postgresql: PostgreSQL, superuser: Connection, database: str
) -> None:
    await migrate(module_postgresql.url_of(database))  # makes the roles, of which this user is no member
    await superuser.execute("CREATE ROLE tenant LOGIN PASSWORD 'rent'")
    await superuser.execute("CREATE DATABASE owned OWNER tenant")

    with pytest.raises(RoleError, match="CREATEROLE"):
        await migrate(module_postgresql.url_of("owned", user="tenant", password="rent"))


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS", "CREATEROLE", "REPLICATION"])
async def test_a_role_that_can_do_too_much_is_refused(
    module_postgresql: PostgreSQL, superuser: Connection, database: str, attribute: str
) -> None:
    url = module_postgresql.url_of(database)
    await migrate(url)
    await superuser.execute(f"ALTER ROLE certsmith_validator {attribute}")

    with pytest.raises(RoleError, match="certsmith_validator"):
        await migrate(url)

    await superuser.execute(f"ALTER ROLE certsmith_validator NO{attribute}")
    await migrate(url)


async def test_the_role_itself_may_log_in(module_postgresql: PostgreSQL, database: str) -> None:
    address = module_postgresql.url_of(database, user="certsmith_validator", password="p:w/@ %")

    await migrate(module_postgresql.url_of(database), service_urls={"validator": address})

    async with open_pool(address, role="validator") as pool, pool.acquire() as connection:
        assert await connection.fetchval("SELECT session_user::text") == "certsmith_validator"


async def test_a_login_with_another_name_becomes_a_member_of_the_service_role(
    module_postgresql: PostgreSQL, superuser: Connection, database: str
) -> None:
    await superuser.execute("CREATE ROLE \"Some One\" LOGIN PASSWORD 'known'")
    address = module_postgresql.url_of(database, user="Some One", password="known")

    await migrate(module_postgresql.url_of(database), service_urls={"terminator": address})

    async with open_pool(address, role="terminator") as pool, pool.acquire() as connection:
        assert await connection.fetchval("SELECT current_user::text") == "certsmith_terminator"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SET ROLE certsmith_keeper")


async def test_a_login_that_does_not_exist_is_named(module_postgresql: PostgreSQL, database: str) -> None:
    address = module_postgresql.url_of(database, user="nobody", password="x")

    with pytest.raises(RoleError, match=r"API_DATABASE_URL names the user 'nobody'.*certsmith_api"):
        await migrate(module_postgresql.url_of(database), service_urls={"api": address})


async def test_a_password_is_changed_by_migrating_again(module_postgresql: PostgreSQL, database: str) -> None:
    url = module_postgresql.url_of(database)
    old, new = (module_postgresql.url_of(database, user="certsmith_api", password=word) for word in ("old", "new"))
    await migrate(url, service_urls={"api": old})

    await migrate(url, service_urls={"api": new})

    await (await asyncpg.connect(new)).close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(old)


async def test_a_password_is_in_no_log_of_the_server(
    module_postgresql: PostgreSQL, superuser: Connection, database: str
) -> None:
    await superuser.execute(f"ALTER DATABASE {database} SET log_statement = 'all'")
    address = module_postgresql.url_of(database, user="certsmith_api", password="pearl")

    await migrate(module_postgresql.url_of(database), service_urls={"api": address})

    assert "ALTER ROLE" in module_postgresql.log_text()
    assert "pearl" not in module_postgresql.log_text()


async def test_postgresql_accepts_the_verifier(module_postgresql: PostgreSQL, superuser: Connection) -> None:
    await superuser.execute(f"CREATE ROLE checked LOGIN PASSWORD '{scram_verifier('p w')}'")

    connection = await asyncpg.connect(module_postgresql.url_of("postgres", user="checked", password="p w"))
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_an_unreachable_database_is_a_transient_error() -> None:
    with pytest.raises(StoreUnavailableError):
        await migrate(f"postgresql://nobody@{LOOPBACK}:{free_port()}/nothing")


async def test_orders_that_were_cancelled_or_asked_to_retry_before_0004_have_it_in_their_new_columns(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await roles.ensure_roles(connection)
    await schema._bring_up(connection, migrations.known()[:3])
    domain_id = new_domain_id()
    await connection.execute(
        "INSERT INTO registry.domains (id, tenant, name, holds_name, requested_at) "
        "VALUES ($1, '', 'a.test', true, now())",
        domain_id,
    )
    await connection.executemany(
        "INSERT INTO provisioner.orders "
        "(id, domain_id, tenant, names, key_type, ca, reason, state, checks, cancelled_at) "
        "VALUES ($1, $2, '', '{a.test}', 'ecdsa', 'https://ca', 'created', $3, $4, CASE WHEN $5 THEN now() END)",
        [
            (new_order_id(), domain_id, "issued", 2, False),
            (new_order_id(), domain_id, "waiting_dns", 3, True),
            (new_order_id(), domain_id, "validating", -1, False),
        ],
    )

    await migrate(empty_database_url)

    rows = await connection.fetch("SELECT state, retry_asked FROM provisioner.orders ORDER BY state")
    await connection.close()
    assert [tuple(row) for row in rows] == [("cancelled", False), ("issued", False), ("validating", True)]
