"""The search for private keys in the clear in all that a platform leaves behind.

Files are read as they are. Tables are also read through the database, because it compresses large values.
"""

from collections.abc import Collection, Mapping
from typing import Final

from dev.platform.platform import Platform
from tests.rig.secrets import key_forms

_TABLES: Final = """
SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


def needles_of(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what to look for: each form of each of *keys*, PKCS #8 by name."""
    return {
        f"{whose}: {form}": needle for whose, key in keys.items() for form, needle in key_forms.needles_of(key).items()
    }


async def found_in_the_clear(
    platform: Platform, keys: Mapping[str, bytes], *, but_in: Collection[str] = ()
) -> list[str]:
    """Return a sentence for each of *keys* in each place where it is in the clear, in whatever form.

    Looked at are the files of PostgreSQL (its write-ahead log too) and of RabbitMQ, all logs, every row of every table,
    and the environment and command line of every process; places that start with one of *but_in* are left out.
    """
    needles = needles_of(keys)
    found = [*_in_files(platform, needles), *await _in_rows(platform, needles), *_in_processes(needles)]
    return [f"{what} in {where}" for what, where in found if not where.startswith(tuple(but_in))]


def _in_files(platform: Platform, needles: Mapping[str, bytes]) -> list[tuple[str, str]]:
    folders = {"PostgreSQL": platform.database.folder, "logs": platform.folder, "RabbitMQ": platform.broker.folder}
    return [
        (what, f"{name}: {path}")
        for name, path in key_forms.places(folders)
        if "keys" not in path.relative_to(folders[name]).parts  # the key rings themselves
        for what in key_forms.search(path, needles)
    ]


async def _in_rows(platform: Platform, needles: Mapping[str, bytes]) -> list[tuple[str, str]]:
    found = []
    for table in await platform.ledger.rows(_TABLES):
        rows = await platform.ledger.rows(f"SELECT each::text AS row FROM {table['name']} AS each")
        hay = "\n".join(row["row"] for row in rows).encode()
        found += [(what, f"rows of {table['name']}") for what, needle in needles.items() if needle in hay]
    return found


def _in_processes(needles: Mapping[str, bytes]) -> list[tuple[str, str]]:
    return [
        (what, f"process {process}")
        for process, environment in key_forms.environments()
        for what, needle in needles.items()
        if needle in environment
    ]
