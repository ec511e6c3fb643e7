"""Reads the version of a database's schema."""

from shared.store.connection import Connection


async def version(connection: Connection) -> int:
    """Return the version of the schema; 0 if the database has none."""
    if await connection.fetchval("SELECT to_regclass('public.certsmith_migrations')") is None:
        return 0
    found: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM public.certsmith_migrations")
    return found
