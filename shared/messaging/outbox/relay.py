"""The relay: sends a service's outbox, one process at a time, and deletes the confirmed events.

The process that holds the lease `relay.<service>` sends. No transaction is open meanwhile: rows are read, sent, and
deleted after their confirmation, so a kill between any two of these steps may send an event twice, and never loses one.
Events of one key are sent one after another, those of different keys concurrently.

The notification of `outbox.publish` wakes it; it also polls once a second, since a notification can be missed.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Final

import structlog

from shared.errors import StoreUnavailableError
from shared.messaging import outbox
from shared.messaging.metrics import LEADING
from shared.messaging.outbox.dispatch import Dispatch, Sender
from shared.process.backoff import Backoff, wait_at_most
from shared.store import Connection, Pool, Role, leases, open_connection

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

LEASE_SECONDS: Final = 10.0
_RENEW_SECONDS: Final = 3.0
_STANDBY_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 1.0
_LET_GO_SECONDS: Final = 1.0


class Relay:
    """Sends the events that one service has published to its outbox."""

    def __init__(self, database_url: str, pool: Pool, sender: Sender, *, service: Role) -> None:
        self._database_url = database_url
        self._pool = pool
        self._sender = sender
        self._service: Role = service
        self._lease = f"relay.{service}"
        self._holder = f"{service}-{secrets.token_hex(8)}"
        self._trouble: str | None = "it has not started yet"

    @property
    def trouble(self) -> str | None:
        """Why events are not sent at the moment; None when all is well, or when another process sends them."""
        return self._trouble

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until *stop* is set; events published by then are still sent, for a few seconds at most."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with open_connection(self._database_url, role=self._service) as connection:
                    backoff.reset()
                    await self._stand_by(connection, stop)
            except StoreUnavailableError as error:
                self._trouble = str(error)
                log.warning("relay_waits", reason=str(error))
                await backoff.pause(stop)
        self._trouble = "it was stopped"

    async def _stand_by(self, connection: Connection, stop: asyncio.Event) -> None:
        """Lead whenever the lease is free."""
        wake = asyncio.Event()
        connection.add_termination_listener(lambda _connection: wake.set())
        await connection.add_listener(outbox.channel_of(self._service), lambda *_: wake.set())
        while not stop.is_set():
            asked_at = asyncio.get_running_loop().time()
            token = await leases.acquire(
                connection, name=self._lease, service=self._service, holder=self._holder, seconds=LEASE_SECONDS
            )
            if token is None:
                self._trouble = None
                await wait_at_most(stop, _STANDBY_SECONDS)
                continue
            log.info("relay_leads", token=token)
            try:
                with LEADING.labels(self._service).track_inprogress():
                    await self._lead(connection, token, asked_at=asked_at, wake=wake, stop=stop)
            except asyncio.CancelledError:
                await self._let_go(connection, token)
                raise
            await leases.release(connection, name=self._lease, token=token)

    async def _let_go(self, connection: Connection, token: int) -> None:
        """Release the lease, within a second, so that the next relay need not wait until it expires."""
        with suppress(Exception):  # whatever fails here: the lease expires by itself
            async with asyncio.timeout(_LET_GO_SECONDS):
                await leases.release(connection, name=self._lease, token=token)

    async def _lead(
        self, connection: Connection, token: int, *, asked_at: float, wake: asyncio.Event, stop: asyncio.Event
    ) -> None:
        """Read and send until *stop* is set or the lease is lost."""
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            dispatch = Dispatch(
                tasks,
                self._pool,
                self._sender,
                service=self._service,
                until=asked_at + LEASE_SECONDS,
                has_room=wake.set,
            )
            waking = tasks.create_task(_set_after(stop, wake))
            in_order = False
            try:
                in_order = await self._read(connection, token, dispatch, renewed=asked_at, wake=wake, stop=stop)
            except Exception as error:  # noqa: BLE001 - raised again below: the group would wrap it
                failure = error
            finally:
                waking.cancel()
                await dispatch.finish(in_order=in_order)
        if failure is not None:
            raise failure

    async def _read(
        self,
        connection: Connection,
        token: int,
        dispatch: Dispatch,
        *,
        renewed: float,
        wake: asyncio.Event,
        stop: asyncio.Event,
    ) -> bool:
        """Have *dispatch* read events; return True when *stop* is set, False when the lease was lost."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            if loop.time() - renewed >= _RENEW_SECONDS:
                renewed = loop.time()
                if not await leases.renew(connection, name=self._lease, token=token, seconds=LEASE_SECONDS):
                    log.warning("relay_lost_its_lease", token=token)
                    return False
                dispatch.until = renewed + LEASE_SECONDS
            wake.clear()
            await dispatch.read(connection)
            self._trouble = dispatch.trouble
            await wait_at_most(wake, _POLL_SECONDS)
        await dispatch.read(connection)  # events published just before the stop
        return True


async def _set_after(first: asyncio.Event, second: asyncio.Event) -> None:
    await first.wait()
    second.set()
