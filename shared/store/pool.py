"""Connections to PostgreSQL: a pool for work, and a separate connection for LISTEN.

Opening a pool waits until the database answers and has the schema that this program needs, so processes start in any
order. A lost connection is replaced at the next use; its user at that moment gets a `StoreUnavailableError`. Sessions
work with the rights of one service's role, whichever user has logged in.

Sessions have no state: use `SET LOCAL`, never `SET`, and no session-level advisory lock. (asyncpg's own reset would
cost one more round trip for each use.)
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypedDict

import asyncpg
import structlog

from shared.errors import StoreUnavailableError
from shared.process.backoff import Backoff
from shared.process.keepalive import keep_alive
from shared.store import migrations
from shared.store.connection import Connection
from shared.store.failures import DRIVER_ERRORS, dialling, require_address, translated
from shared.store.roles import Role, role_name

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_CONNECT_SECONDS: Final = 10
_ACQUIRE_SECONDS: Final = 30  # until a connection of the pool is free, or a new one is open
_COMMAND_SECONDS: Final = 40  # for a server that does not answer; longer than the server's own limits below
_CLOSE_SECONDS: Final = 1  # closing cleanly is optional: sessions have no state
_LEAVE_SECONDS: Final = 1  # until a cancelled command has ended, on a server that hangs
_CHECK_SECONDS: Final = 2.0  # the callers of a health check give up after four
_SERVER_LIMITS: Final = {
    "statement_timeout": "30s",
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",  # a process that was stopped (SIGSTOP) must not keep its locks
    "jit": "off",  # every query here is short
}
_MAX_DELAY_SECONDS: Final = 10.0  # between attempts while a process waits for its database


class Pool:
    """A pool of connections with the rights of one role."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Give a connection for the length of the block.

        Raises:
            StoreUnavailableError: the database does not answer, or was lost inside the block.
        """
        with dialling():
            connection = await self._pool.acquire(timeout=_ACQUIRE_SECONDS)
        try:
            with translated(connection):
                yield connection
        finally:
            await self._give_back(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection inside a transaction, committed at the end of the block and rolled back by an error.

        After a `StoreUnavailableError` it is unknown whether it was committed: read the rows again.
        """
        async with self.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                # Failures here are harmless: a connection whose transaction has not ended is not used again.
                with suppress(OSError, asyncpg.PostgresError, *DRIVER_ERRORS):
                    async with asyncio.timeout(_LEAVE_SECONDS):
                        await transaction.rollback()
                raise
            await transaction.commit()

    async def check(self) -> None:
        """Check that the database answers.

        Raises:
            StoreUnavailableError: it does not.
        """
        try:
            async with asyncio.timeout(_CHECK_SECONDS), self.acquire() as connection:
                await connection.fetchval("SELECT 1")
        except TimeoutError:
            raise StoreUnavailableError(f"PostgreSQL does not answer within {_CHECK_SECONDS:g} s") from None

    async def _give_back(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
        """Return *connection* to the pool; if a cancelled command on it does not end in time, it is closed."""
        with suppress(OSError, asyncpg.PostgresError, *DRIVER_ERRORS):  # then it is closed, and the pool knows
            await self._pool.release(connection, timeout=_LEAVE_SECONDS)


@asynccontextmanager
async def open_pool(url: str, *, role: Role, max_size: int = 8) -> AsyncIterator[Pool]:
    """Give a pool of up to *max_size* connections as *role*, once database and schema are ready.

    Raises:
        SettingsError: *url* is not the address of a PostgreSQL database.
    """
    require_address(url)
    pool = await _create_when_ready(url, role=role, max_size=max_size)
    try:
        yield Pool(pool)
    finally:
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await pool.close()
        except (OSError, asyncpg.PostgresError, *DRIVER_ERRORS):
            pool.terminate()


@asynccontextmanager
async def open_connection(url: str, *, role: Role) -> AsyncIterator[Connection]:
    """Give a separate connection, for LISTEN; when it is lost it is not replaced.

    Raises:
        StoreUnavailableError: the database does not answer, or was lost inside the block.
    """
    require_address(url)
    with dialling():
        connection = await asyncpg.connect(url, **_arguments(role))
    try:
        with translated(connection):
            await _prepare(connection)
            yield connection
    finally:
        connection.terminate()


async def _create_when_ready(url: str, *, role: Role, max_size: int) -> "asyncpg.Pool[asyncpg.Record]":
    backoff = Backoff(ceiling=_MAX_DELAY_SECONDS)
    while True:
        try:
            return await _create(url, role=role, max_size=max_size)
        except StoreUnavailableError as error:
            delay = backoff.delay()
            log.warning("store_not_ready", reason=str(error), retries_in_seconds=round(delay, 3))
        await asyncio.sleep(delay)


async def _create(url: str, *, role: Role, max_size: int) -> "asyncpg.Pool[asyncpg.Record]":
    # Whatever is missing may be added later: the server, the database, the role, its password, the schema.
    with dialling():
        pool = await asyncpg.create_pool(
            url, **_arguments(role), min_size=0, max_size=max_size, init=_prepare, reset=_keep_session
        )
        try:
            async with pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
                await _require_schema(connection)
        except BaseException:
            pool.terminate()
            raise
    return pool


class _Arguments(TypedDict):
    timeout: float
    command_timeout: float
    connection_class: "type[_KeptAlive]"
    server_settings: dict[str, str]


def _arguments(role: Role) -> _Arguments:
    name = role_name(role)
    return {
        "timeout": _CONNECT_SECONDS,
        "command_timeout": _COMMAND_SECONDS,
        "connection_class": _KeptAlive,
        "server_settings": {"role": name, "application_name": name, **_SERVER_LIMITS},
    }


async def _require_schema(connection: Connection) -> None:
    needed = migrations.newest().version
    found = 0
    if await connection.fetchval("SELECT to_regclass('public.certsmith_migrations')") is not None:
        found = await connection.fetchval("SELECT coalesce(max(version), 0) FROM public.certsmith_migrations")
    if found < needed:
        raise StoreUnavailableError(
            f"the schema is at version {found} and this program needs {needed}: run `certsmith migrate`"
        )


async def _prepare(connection: Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def _keep_session(_connection: Connection) -> None:
    """Replace asyncpg's reset by nothing: sessions have no state."""


if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    _Plain = asyncpg.Connection[asyncpg.Record]
else:
    _Plain = asyncpg.Connection  # is generic for type checkers only


class _KeptAlive(_Plain):
    """A connection that notices when its peer has vanished."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *rest: Any) -> None:  # noqa: ANN401 - asyncpg's own
        super().__init__(protocol, transport, *rest)
        keep_alive(transport.get_extra_info("socket"))
