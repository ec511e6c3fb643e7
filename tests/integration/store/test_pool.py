"""Connections to a database that starts late, stops, crashes and comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
import pytest
import pytest_asyncio

from certsmith.migration.schema import migrate
from dev.ports import LOOPBACK, free_port
from dev.servers.postgresql import PostgreSQL, StopMode
from dev.waiting import finished, within
from shared.errors import SettingsError, StoreUnavailableError
from shared.store import Connection, Pool, open_connection, open_pool

Way = Callable[[Pool], AbstractAsyncContextManager[Connection]]


@pytest_asyncio.fixture
async def own_url(own_postgresql: PostgreSQL) -> AsyncIterator[str]:
    url = await own_postgresql.create_database("certsmith")
    await migrate(url)
    yield url


async def until_it_answers(pool: Pool) -> None:
    async with within("the pool to answer"):
        while True:
            try:
                return await pool.check()
            except StoreUnavailableError:
                continue


async def cut_off(connection: Connection, owner: Connection) -> None:
    """End *connection* on the server's side, then use it."""
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    await owner.execute("SELECT pg_terminate_backend($1, 10000)", pid)
    await connection.execute("SELECT 1")
    await connection.execute("SELECT 1")


async def test_a_session_works_with_the_rights_of_its_role(pool: Pool) -> None:
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT current_user::text") == "certsmith_provisioner"
        assert await connection.fetchval("SHOW application_name") == "certsmith_provisioner"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT ciphertext FROM registry.keys")


async def test_json_columns_hold_python_values(pool: Pool) -> None:
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT $1::jsonb", {"a": [1, None]}) == {"a": [1, None]}


async def test_a_connection_lost_while_it_is_returned_is_replaced(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("SELECT 1")
        # asyncpg returns a connection in a task of its own; this runs before that task.
        asyncio.get_running_loop().call_soon(connection.terminate)

    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_an_internal_error_of_the_driver_on_a_lost_connection_is_a_lost_connection(pool: Pool) -> None:
    async def meet_an_internal_error() -> None:
        async with pool.acquire() as connection:
            connection.terminate()
            raise asyncpg.InternalClientError("got result for unknown protocol state 3")

    with pytest.raises(StoreUnavailableError, match="lost"):
        await meet_an_internal_error()


async def test_an_internal_error_of_the_driver_on_a_live_connection_stays_what_it_is(pool: Pool) -> None:
    with pytest.raises(asyncpg.InternalClientError):
        async with pool.acquire():
            raise asyncpg.InternalClientError("no such codec")


async def test_a_transaction_is_rolled_back_by_an_error_and_committed_otherwise(pool: Pool) -> None:
    insert = "INSERT INTO messaging.inbox (consumer, user_id, source, event_id) VALUES ('provisioner', '', '', $1)"

    async def fail() -> None:
        async with pool.transaction() as connection:
            await connection.execute(insert, "lost")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with pool.transaction() as connection:
        await connection.execute(insert, "kept")

    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT array_agg(event_id) FROM messaging.inbox") == ["kept"]


async def test_errors_of_the_caller_stay_what_they_are(pool: Pool) -> None:
    with pytest.raises(FileNotFoundError):
        async with pool.transaction():
            raise FileNotFoundError
    with pytest.raises(asyncpg.UndefinedTableError):
        async with pool.acquire() as connection:
            await connection.execute("SELECT FROM nothing")


@pytest.mark.parametrize("mode", [StopMode.FAST, StopMode.IMMEDIATE])
async def test_the_pool_survives_a_restart_of_the_server(
    own_postgresql: PostgreSQL, own_url: str, mode: StopMode
) -> None:
    async with open_pool(own_url, role="provisioner", max_size=2) as pool:
        async with pool.acquire() as one, pool.acquire() as two:
            await asyncio.gather(one.fetchval("SELECT 1"), two.fetchval("SELECT 1"))

        await own_postgresql.restart(mode)

        await until_it_answers(pool)
        async with pool.acquire() as one, pool.acquire() as two:
            assert (await one.fetchval("SELECT 1"), await two.fetchval("SELECT 1")) == (1, 1)


async def test_the_user_of_a_connection_that_is_lost_gets_an_error(own_postgresql: PostgreSQL, own_url: str) -> None:
    async def be_cut_off(pool: Pool) -> None:
        async with pool.transaction() as connection:
            waiting = asyncio.ensure_future(connection.execute("SELECT pg_sleep(60)"))
            await own_postgresql.stop(StopMode.IMMEDIATE)
            await waiting

    async with open_pool(own_url, role="provisioner", max_size=1) as pool:
        with pytest.raises(StoreUnavailableError):
            await be_cut_off(pool)
        with pytest.raises(StoreUnavailableError):
            await pool.check()

        await own_postgresql.resume()

        await until_it_answers(pool)


async def test_a_loss_between_two_statements_is_an_error_too(owner: Connection, pool: Pool) -> None:
    async def be_cut_off() -> None:
        async with pool.transaction() as connection:
            await cut_off(connection, owner)

    with pytest.raises(StoreUnavailableError):
        await be_cut_off()

    await pool.check()


async def test_the_loss_of_a_separate_connection_is_the_same_error(owner: Connection, database_url: str) -> None:
    async def be_cut_off() -> None:
        async with open_connection(database_url, role="terminator") as connection:
            await cut_off(connection, owner)

    with pytest.raises(StoreUnavailableError):
        await be_cut_off()


async def test_a_pool_waits_for_a_database_that_is_not_there_yet(own_postgresql: PostgreSQL, own_url: str) -> None:
    await own_postgresql.stop()
    opened = asyncio.Event()

    async def use() -> int:
        async with open_pool(own_url, role="provisioner") as pool, pool.acquire() as connection:
            opened.set()
            return int(await connection.fetchval("SELECT 1"))

    using = asyncio.create_task(use())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(opened.wait(), 0.5)
    await own_postgresql.resume()

    assert await finished(using, "the pool to open") == 1


async def test_a_pool_waits_for_its_schema(empty_database_url: str) -> None:
    async def use() -> str:
        async with open_pool(empty_database_url, role="terminator") as pool, pool.acquire() as connection:
            return str(await connection.fetchval("SELECT current_user::text"))

    using = asyncio.create_task(use())
    await asyncio.sleep(0)
    await migrate(empty_database_url)

    assert await finished(using, "the pool to open") == "certsmith_terminator"


async def test_waiting_for_a_database_can_be_cancelled() -> None:
    url = f"postgresql://nobody@{LOOPBACK}:{free_port()}/nothing"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), open_pool(url, role="provisioner"):
            pass


@pytest.mark.parametrize(
    "url", ["", "certsmith", "http://localhost/certsmith", "postgresql://localhost:port/certsmith"]
)
async def test_a_malformed_address_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        async with within("the error"), open_pool(url, role="provisioner"):
            pass


async def test_an_error_about_the_address_does_not_show_its_password() -> None:
    with pytest.raises(SettingsError) as caught:
        async with within("the error"), open_pool("postgresql://me:hunter2@localhost:port/x", role="provisioner"):
            pass

    assert "hunter2" not in str(caught.value)


async def test_a_stopped_process_does_not_keep_its_locks(pool: Pool) -> None:
    async with pool.acquire() as connection:
        limits = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
        ]

    assert limits == ["30s", "15s", "30s"]


async def test_a_lock_that_is_not_granted_is_a_transient_error(owner: Connection, pool: Pool) -> None:
    async def wait_for_the_lock() -> None:
        async with pool.transaction() as connection:
            await connection.execute("SET LOCAL lock_timeout = '50ms'")
            await connection.fetchval("SELECT count(*) FROM registry.domains")

    async with owner.transaction():
        await owner.execute("LOCK TABLE registry.domains")
        with pytest.raises(StoreUnavailableError):
            await wait_for_the_lock()


@pytest.mark.parametrize("way", [Pool.acquire, Pool.transaction])
async def test_a_server_that_hangs_delays_no_caller_beyond_its_deadline(
    own_postgresql: PostgreSQL, own_url: str, way: Way
) -> None:
    loop = asyncio.get_running_loop()

    async def ask(pool: Pool) -> None:
        async with asyncio.timeout(0.5), way(pool) as connection:
            await connection.fetchval("SELECT 1")

    async with open_pool(own_url, role="provisioner", max_size=1) as pool:
        own_postgresql.freeze()
        for _ in range(2):
            asked_at = loop.time()
            with pytest.raises((TimeoutError, StoreUnavailableError)):
                await ask(pool)
            assert loop.time() - asked_at < 4
        own_postgresql.thaw()

        await until_it_answers(pool)
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction()


async def test_checking_a_server_that_hangs_takes_less_than_a_health_check_waits(
    own_postgresql: PostgreSQL, own_url: str
) -> None:
    loop = asyncio.get_running_loop()
    async with open_pool(own_url, role="provisioner", max_size=1) as pool:
        own_postgresql.freeze()
        for _ in range(2):
            asked_at = loop.time()
            with pytest.raises(StoreUnavailableError, match=r"PostgreSQL does not answer"):
                await pool.check()
            assert loop.time() - asked_at < 3.5
        own_postgresql.thaw()

        await until_it_answers(pool)


async def test_a_pool_on_a_server_that_hangs_closes(own_postgresql: PostgreSQL, own_url: str) -> None:
    loop = asyncio.get_running_loop()
    async with open_pool(own_url, role="provisioner", max_size=2) as pool:
        await pool.check()
        own_postgresql.freeze()
        left_at = loop.time()

    assert loop.time() - left_at < 7
    own_postgresql.thaw()
