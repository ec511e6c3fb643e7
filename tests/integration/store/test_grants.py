"""Every cell of docs/grants.md, tried with the real roles: the named rights work, all others are refused."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio

from certsmith.migration.schema import migrate
from dev.servers.postgresql import PostgreSQL
from shared.store import ROLES, Connection, Role
from shared.store.roles import role_name
from tests.rig import grants_page
from tests.rig.grants_page import WHOLE_ROW, Right

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES = """
SELECT n.nspname || '.' || c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY c.oid, a.attnum
"""
FUNCTIONS = """
SELECT p.pronamespace::regnamespace || '.' || p.proname AS name, p.oid FROM pg_proc AS p
WHERE p.pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A migrated database in which every role logs in as itself."""

    owner: Connection
    log_in: Callable[[Role], AbstractAsyncContextManager[Connection]]
    types: Mapping[str, Mapping[str, str]]  # of each table's columns

    @property
    def columns(self) -> grants_page.Columns:
        """The columns of each table."""
        return {table: tuple(types) for table, types in self.types.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(module_postgresql: PostgreSQL) -> AsyncIterator[Database]:
    url = await module_postgresql.create_database("certsmith")
    password = secrets.token_urlsafe()
    addresses = {role: module_postgresql.url_of("certsmith", user=role_name(role), password=password) for role in ROLES}
    await migrate(url, service_urls=addresses)

    @asynccontextmanager
    async def log_in(role: Role) -> AsyncIterator[Connection]:
        connection = await asyncpg.connect(addresses[role])
        try:
            yield connection
        finally:
            await connection.close()

    owner = await asyncpg.connect(url)
    types: dict[str, dict[str, str]] = {}
    for row in await owner.fetch(TABLES):
        types.setdefault(row["table"], {})[row["column"]] = row["type"]
    yield Database(owner=owner, log_in=log_in, types=types)
    await owner.close()


async def is_allowed(connection: Connection, statement: str) -> bool:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await transaction.rollback()
    return True


def statement_for(right: Right, type_name: str) -> str:
    """Return a statement that needs just this right, and touches no row."""
    match right.verb:
        case "SELECT":
            return f'SELECT "{right.column}" FROM {right.table} WHERE false'
        case "INSERT":
            return (
                f'INSERT INTO {right.table} ("{right.column}") OVERRIDING SYSTEM VALUE '
                f"SELECT NULL::{type_name} WHERE false"
            )
        case "UPDATE":
            return f'UPDATE {right.table} SET "{right.column}" = DEFAULT WHERE false'
        case _:
            return f"DELETE FROM {right.table} WHERE false"


async def test_the_page_names_every_table(database: Database) -> None:
    assert grants_page.documented_tables() == set(database.types)


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_what_the_page_names_and_nothing_else(database: Database, role: Role) -> None:
    every_right = {
        Right(table, verb, column)
        for table, types in database.types.items()
        for verb in grants_page.VERBS
        for column in ((WHOLE_ROW,) if verb == "DELETE" else types)
    }

    async with database.log_in(role) as connection:
        allowed = {
            right
            for right in sorted(every_right)
            if await is_allowed(connection, statement_for(right, database.types[right.table].get(right.column, "")))
        }

    expected = grants_page.rights_of(role, database.columns)
    assert (sorted(allowed - expected), sorted(expected - allowed)) == ([], [])


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_call_the_functions_that_the_page_names_and_no_others(database: Database, role: Role) -> None:
    rows = await database.owner.fetch(
        f"SELECT name, has_function_privilege($1, oid, 'EXECUTE') AS allowed FROM ({FUNCTIONS}) AS f", role_name(role)
    )

    assert {row["name"] for row in rows if row["allowed"]} == grants_page.functions_of(role)


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_nothing_to_the_tables_themselves(database: Database, role: Role) -> None:
    statements = [
        words.format(table=table)
        for table in database.types
        for words in (
            "TRUNCATE {table}",
            "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE {table} OWNER TO CURRENT_USER",
            "CREATE POLICY mine ON {table} USING (true)",
            "CREATE RULE mine AS ON DELETE TO {table} DO INSTEAD NOTHING",
            "DROP TABLE {table}",
        )
    ]

    async with database.log_in(role) as connection:
        allowed = [statement for statement in statements if await is_allowed(connection, statement)]

    assert allowed == []


async def test_no_role_may_grant_its_rights_and_nothing_is_public(database: Database) -> None:
    passed_on = await database.owner.fetch(
        "SELECT grantee, table_schema, table_name, privilege_type FROM information_schema.column_privileges "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') "
        "AND (grantee = 'PUBLIC' OR (is_grantable = 'YES' AND grantee <> session_user))"
    )

    assert passed_on == []


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_can_create_nothing_and_become_no_other_role(database: Database, role: Role) -> None:
    owner = await database.owner.fetchval("SELECT session_user::text")
    others = [owner, *(role_name(other) for other in ROLES if other != role)]
    statements = [
        *(f"CREATE TABLE {schema}.mine (a int)" for schema in ("registry", "provisioner", "terminator", "messaging")),
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "SELECT nextval('registry.versions')",
        "SELECT setval('registry.versions', 1)",
        "SELECT setval('messaging.outbox_id_seq', 1)",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('PG_VERSION')",
        "COPY public.certsmith_migrations TO PROGRAM 'cat'",
        f"SET SESSION AUTHORIZATION {owner}",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        *(f"SET ROLE {other}" for other in others),
        *(f"GRANT {other} TO CURRENT_USER" for other in others),
    ]

    async with database.log_in(role) as connection:
        allowed = [statement for statement in statements if await is_allowed(connection, statement)]

    assert allowed == []


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_has_a_right_that_outdoes_its_grants(database: Database, role: Role) -> None:
    row = await database.owner.fetchrow(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = $1",
        role_name(role),
    )

    assert row is not None
    assert not any(row.values())
