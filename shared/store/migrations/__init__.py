"""The schema as numbered SQL files, `NNNN_name.sql`: forward only, and each leaves the previous release running.

An applied file is never edited: its checksum is stored. `certsmith.migration.schema` applies them.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

_FILE_NAME: Final = re.compile(r"(?P<version>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def known() -> tuple[Migration, ...]:
    """Return all migrations of this program in their order, 1, 2, 3 and so on."""
    found = [
        Migration(version=int(match["version"]), name=match["name"], sql=file.read_text(encoding="utf-8"))
        for file in resources.files(__name__).iterdir()
        if (match := _FILE_NAME.fullmatch(file.name))
    ]
    found.sort(key=lambda migration: migration.version)
    assert [migration.version for migration in found] == list(range(1, len(found) + 1)), "numbered without gaps"
    return tuple(found)


def newest() -> Migration:
    """Return the last migration, which this program needs to be applied."""
    return known()[-1]
