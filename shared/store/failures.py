"""PostgreSQL's passing failures become `StoreUnavailableError`; the others are bugs and are raised unchanged."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from shared.errors import SettingsError, StoreUnavailableError
from shared.store.connection import Connection

# Failures for which a later try may succeed. After each: the SQLSTATE or its class (PostgreSQL, appendix A).
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

# asyncpg's errors about itself. When a connection breaks inside a message, or on its way back to the pool, asyncpg's
# state becomes inconsistent and it raises InternalClientError, which is not an InterfaceError.
DRIVER_ERRORS: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)

_UNREADABLE: Final = (
    "DATABASE_URL: not the address of a PostgreSQL database; expected postgresql://user:password@host:5432/certsmith, "
    " with special characters of the password percent-encoded"
)


def describe(error: BaseException) -> str:
    """Return *error* in one line, without the details, in which PostgreSQL quotes values."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}" if str(error) else type(error).__name__


def require_address(url: str) -> None:
    """Check that *url* may be the address of a database.

    Raises:
        SettingsError: it cannot be one.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise SettingsError(_UNREADABLE)


@contextmanager
def dialling() -> Iterator[None]:
    """Turn errors of connecting into `StoreUnavailableError`, and a malformed address into `SettingsError`."""
    try:
        yield
    except ValueError:  # asyncpg could not read the address; its error may quote a part of the password
        raise SettingsError(_UNREADABLE) from None
    except (OSError, asyncpg.PostgresError, *DRIVER_ERRORS) as error:
        raise StoreUnavailableError(f"PostgreSQL cannot be reached ({describe(error)})") from error


@contextmanager
def translated(connection: Connection | None = None) -> Iterator[None]:
    """Turn passing failures, raised while *connection* is in use, into `StoreUnavailableError`."""
    try:
        yield
    except _PASSING as error:
        raise StoreUnavailableError(f"PostgreSQL does not answer ({describe(error)})") from error
    except DRIVER_ERRORS as error:
        if connection is None or not is_lost(connection):
            raise
        raise StoreUnavailableError("the connection to PostgreSQL was lost") from error


def is_lost(connection: Connection) -> bool:
    """Return whether *connection*, still used by the caller, has ended."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # it is already back in the pool
        return True
