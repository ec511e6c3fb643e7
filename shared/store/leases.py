"""Leases: one holder at a time, until an expiry that needs no cooperation from the holder.

A session-level advisory lock would stay with a process that was stopped or cut off. A lease expires by PostgreSQL's
clock; its token grows with each new holder, so that late writes of an old holder can be recognised.
"""

from typing import Final

from shared.store.connection import Connection

_ACQUIRE: Final = """
    INSERT INTO messaging.leases AS lease (name, service, holder, token, held_until)
    VALUES ($1, $2, $3, 1, now() + make_interval(secs => $4))
    ON CONFLICT (name) DO UPDATE
        SET holder = excluded.holder, token = lease.token + 1, held_until = excluded.held_until
        WHERE lease.held_until < now() OR lease.holder = excluded.holder
    RETURNING token
"""
_RENEW: Final = """
    UPDATE messaging.leases SET held_until = now() + make_interval(secs => $3)
    WHERE name = $1 AND token = $2
    RETURNING true
"""
_RELEASE: Final = "UPDATE messaging.leases SET held_until = '-infinity', holder = NULL WHERE name = $1 AND token = $2"


async def acquire(connection: Connection, *, name: str, service: str, holder: str, seconds: float) -> int | None:
    """Acquire the lease *name* for *seconds* and return its token; None while another holder has it."""
    token = await connection.fetchval(_ACQUIRE, name, service, holder, seconds)
    return None if token is None else int(token)


async def renew(connection: Connection, *, name: str, token: int, seconds: float) -> bool:
    """Extend the lease to *seconds* from now; return False if another holder has acquired it since."""
    return bool(await connection.fetchval(_RENEW, name, token, seconds))


async def release(connection: Connection, *, name: str, token: int) -> None:
    """End the lease now, if it is still held with *token*."""
    await connection.execute(_RELEASE, name, token)
