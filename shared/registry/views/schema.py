"""Which version of the schema a database has."""

from shared.store.connection import Connection


async def version(connection: Connection) -> int:
    """Return the version of the schema; 0 when there is none."""
    if await connection.fetchval("SELECT to_regclass('public.certsmith_migrations')") is None:
        return 0
    found: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM public.certsmith_migrations")
    return found
