"""The migration files, as they are shipped."""

import re

import pytest

from shared.store import migrations
from shared.store.migrations import Migration


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in migrations.known()] == list(range(1, len(migrations.known()) + 1))


def test_the_newest_is_the_one_with_the_greatest_number() -> None:
    assert migrations.newest().version == len(migrations.known())


@pytest.mark.parametrize("migration", migrations.known(), ids=lambda migration: migration.name)
def test_a_migration_ends_no_transaction_of_its_own(migration: Migration) -> None:
    """All of them run in the transaction of `migrate`."""
    assert not re.search(
        r"^\s*(COMMIT|ROLLBACK|BEGIN;|START TRANSACTION|CREATE INDEX CONCURRENTLY)", migration.sql, re.MULTILINE
    )


def test_a_checksum_tells_any_change() -> None:
    one = Migration(version=1, name="one", sql="SELECT 1;")

    assert one.checksum != Migration(version=1, name="one", sql="SELECT 2;").checksum
