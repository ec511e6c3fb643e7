"""PostgreSQL's failures that pass by themselves become `StoreUnavailableError`; the others are bugs and stay."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from shared.errors import SettingsError, StoreUnavailableError
from shared.store.connection import Connection

# What trying again later mends. In brackets the SQLSTATE, or its class, of PostgreSQL's appendix A.
_PASSING: Final = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,  # 08: the connection ended
    asyncpg.TransactionRollbackError,  # 40: deadlock, serialization
    asyncpg.InsufficientResourcesError,  # 53: too many connections, disk full
    asyncpg.OperatorInterventionError,  # 57: shutdown, starting up, statement_timeout
    asyncpg.LockNotAvailableError,  # 55P03: lock_timeout
    asyncpg.IdleInTransactionSessionTimeoutError,  # 25P03
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a standby answers during a fail-over
    asyncpg.InvalidCachedStatementError,  # a migration changed a table under a prepared statement
    asyncpg.OutdatedSchemaCacheError,
)

# What asyncpg raises about itself. A connection that breaks inside a message, or while it is given back to its pool,
# makes it contradict itself, and it then says InternalClientError, which is no InterfaceError.
DRIVER_ERRORS: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)

_UNREADABLE: Final = (
    "DATABASE_URL: not the address of a PostgreSQL database; postgresql://user:password@host:5432/certsmith was "
    "expected, with special characters of the password percent-encoded"
)


def describe(error: BaseException) -> str:
    """Return *error* in one line, without the details in which PostgreSQL quotes values."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}" if str(error) else type(error).__name__


def require_address(url: str) -> None:
    """Return if *url* could be the address of a database.

    Raises:
        SettingsError: it could not.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise SettingsError(_UNREADABLE)


@contextmanager
def dialling() -> Iterator[None]:
    """Turn whatever keeps a connection from being made into `StoreUnavailableError`; a wrong address is a setting."""
    try:
        yield
    except ValueError:  # asyncpg could not read the address; its error may quote a part of the password
        raise SettingsError(_UNREADABLE) from None
    except (OSError, asyncpg.PostgresError, *DRIVER_ERRORS) as error:
        raise StoreUnavailableError(f"PostgreSQL cannot be reached ({describe(error)})") from error


@contextmanager
def translated(connection: Connection | None = None) -> Iterator[None]:
    """Turn what passes by itself, raised while *connection* is in use, into `StoreUnavailableError`."""
    try:
        yield
    except _PASSING as error:
        raise StoreUnavailableError(f"PostgreSQL does not answer ({describe(error)})") from error
    except DRIVER_ERRORS as error:
        if connection is None or not is_lost(connection):
            raise
        raise StoreUnavailableError("the connection to PostgreSQL was lost") from error


def is_lost(connection: Connection) -> bool:
    """Say whether *connection*, which is still in use by the caller, has ended."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken it back already
        return True
