"""Key rings in files, a database with keys sealed to them, and rotations with the keeper's rights."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from certsmith.rotation.generation import generate
from shared.store import Connection
from tests.builders.stored_keys import Stock


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Yield a connection of the tables' owner."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def stock(database_url: str, owner: Connection, tmp_path: Path) -> Stock:
    """Return new key rings and no stored keys."""
    generate(tmp_path / "keys")
    return Stock(database_url, owner, tmp_path / "keys")
