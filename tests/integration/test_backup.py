"""A backup of the database, and restoring it, as docs/operations.md describes them."""

import os
import subprocess
from pathlib import Path

from certsmith.migration.schema import migrate
from dev.servers import PostgreSQL
from dev.servers.programs import postgresql_bin
from shared.store import migrations

# Newer releases begin and end a dump with a line that has a random key.
_KEYED = ("\\restrict ", "\\unrestrict ")


def tool(name: str, *arguments: str) -> bytes:
    """Return the output of one of PostgreSQL's programs."""
    command = [str(postgresql_bin() / name), *arguments]
    return subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]}).stdout


def what_it_is(url: str) -> list[str]:
    """Return the whole schema of a database: tables, rights, policies, triggers, and the applied migrations."""
    return [line for line in tool("pg_dump", url).decode().splitlines() if not line.startswith(_KEYED)]


async def test_a_restored_database_is_the_one_that_was_dumped(own_postgresql: PostgreSQL, tmp_path: Path) -> None:
    original = await own_postgresql.create_database()
    await migrate(original)
    backup = tmp_path / "backup"
    backup.write_bytes(tool("pg_dump", "-Fc", original))
    restored = await own_postgresql.create_database()

    tool("pg_restore", "--exit-on-error", "--dbname", restored, str(backup))

    assert what_it_is(restored) == what_it_is(original)
    assert (await migrate(restored)).applied == ()
    assert (await migrate(restored)).version == migrations.newest().version
