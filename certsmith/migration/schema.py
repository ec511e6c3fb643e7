"""Brings the schema of a database up to date: `certsmith migrate`.

All pending files are applied in one transaction under an advisory lock, so that any number of processes may migrate at
once, and a failure leaves the schema as it was. Without pending files nothing is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from shared.errors import PermanentError
from shared.store import migrations, roles
from shared.store.connection import Connection
from shared.store.failures import dialling, require_address, translated
from shared.store.migrations import Migration
from shared.store.roles import Role

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_LOCK: Final = int.from_bytes(b"certsmit")  # a 64-bit key of ours among the advisory locks of the database
_CONNECT_SECONDS: Final = 10


class SchemaError(PermanentError):
    """The schema of the database does not fit this program; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """The result of a migration."""

    applied: tuple[str, ...]  # '0001_foundation', …; empty if nothing was pending
    version: int


async def migrate(database_url: str, *, service_urls: Mapping[Role, str] | None = None) -> Migrated:
    """Bring the schema of *database_url* up to date, and permit the login of each service that has its own address.

    Raises:
        SchemaError: the schema is newer than this program, or an applied file was edited since.
        RoleError: the user may not create roles, or a role has rights that it must not have.
        StoreUnavailableError: the database does not answer.
    """
    logins = [login for role, url in (service_urls or {}).items() if (login := roles.login_of(role, url))]
    require_address(database_url)
    with dialling():
        connection = await asyncpg.connect(
            database_url, timeout=_CONNECT_SECONDS, server_settings={"application_name": "certsmith_migrate"}
        )
    try:
        with translated():
            await roles.ensure_roles(connection)
            for login in logins:
                await roles.ensure_login(connection, login)
            return await _bring_up(connection, migrations.known())
    finally:
        connection.terminate()


async def _bring_up(connection: Connection, known: Sequence[Migration]) -> Migrated:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        # While this waits for a table that is in use, all other users of the table wait too.
        await connection.execute("SET LOCAL lock_timeout = '15s'")
        pending = _pending(known, await _applied(connection))
        for migration in pending:
            await _apply(connection, migration)
    version = known[-1].version
    names = tuple(_title(migration) for migration in pending)
    log.info("schema_migrated", version=version, applied=names)
    return Migrated(applied=names, version=version)


async def _applied(connection: Connection) -> dict[int, str]:
    """Return the checksum of each applied migration, by version."""
    if await connection.fetchval("SELECT to_regclass('public.certsmith_migrations')") is None:
        await connection.execute(
            """
            CREATE TABLE public.certsmith_migrations (
                version integer PRIMARY KEY,
                name text NOT NULL,
                checksum text NOT NULL,             -- SHA-256 of the file, in hexadecimal
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
    rows = await connection.fetch("SELECT version, checksum FROM public.certsmith_migrations ORDER BY version")
    return {row["version"]: row["checksum"] for row in rows}


def _pending(known: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    newest = max(applied, default=0)
    if newest > known[-1].version:
        raise SchemaError(
            f"the schema of the database is at version {newest}, this program knows {known[-1].version}: "
            "it was migrated by a newer release; use that release"
        )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise SchemaError(
                f"{_title(migration)} was edited after it had been applied to this database: "
                "applied migrations are never edited; add a new one, or begin with an empty database"
            )
    return [migration for migration in known if migration.version not in applied]


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(
        "INSERT INTO public.certsmith_migrations (version, name, checksum) VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        migration.checksum,
    )


def _title(migration: Migration) -> str:
    return f"{migration.version:04}_{migration.name}"
