"""The command line's connection to the database, as the role operator or keeper. It does not wait for the database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from certsmith.settings import shown
from shared.errors import StoreUnavailableError
from shared.registry.views import schema
from shared.store import Connection, Role, migrations, open_connection
from shared.store.roles import role_name

# The advice for each SQLSTATE (PostgreSQL, appendix A).
_ADVICE: Final = {
    "3D000": "create the database, or name another one in DATABASE_URL",
    "22023": "run `certsmith migrate`, which creates the roles",
    "28P01": "check the user and password in DATABASE_URL",
    "28000": "check the user and password in DATABASE_URL",
    "42501": "its user may not act as {role}: set {setting}, or run `certsmith migrate` as this user",
}
_OTHERWISE: Final = "check that PostgreSQL runs there, and that DATABASE_URL is right"


@asynccontextmanager
async def operator_connection(url: str) -> AsyncIterator[Connection]:
    """Open a connection with the operator's rights.

    Raises:
        StoreUnavailableError: the database does not answer or is not migrated; the message says what to do.
    """
    async with _connection(url, role="operator") as connection:
        yield connection


@asynccontextmanager
async def keeper_connection(url: str) -> AsyncIterator[Connection]:
    """Open a connection with the keeper's rights.

    Raises:
        StoreUnavailableError: the database does not answer or is not migrated; the message says what to do.
    """
    async with _connection(url, role="keeper") as connection:
        yield connection


@asynccontextmanager
async def _connection(url: str, *, role: Role) -> AsyncIterator[Connection]:
    with advising(url, role=role):
        async with open_connection(url, role=role) as connection:
            await _require_schema(connection)
            yield connection


@contextmanager
def advising(url: str, *, role: Role = "operator") -> Iterator[None]:
    """Add to a `StoreUnavailableError` of the block the database's address and what to do."""
    try:
        yield
    except StoreUnavailableError as error:
        if error.__cause__ is None:
            raise
        advice = _ADVICE.get(getattr(error.__cause__, "sqlstate", ""), _OTHERWISE)
        advice = advice.format(role=role_name(role), setting=f"{role.upper()}_DATABASE_URL")
        raise StoreUnavailableError(f"{error} at {shown(url)}: {advice}") from error.__cause__


async def _require_schema(connection: Connection) -> None:
    needed, found = migrations.newest().version, await schema.version(connection)
    if found < needed:
        raise StoreUnavailableError(
            f"the schema is at version {found} and this program needs {needed}: run `certsmith migrate`"
        )
