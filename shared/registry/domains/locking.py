"""The lock of a name: transactions that register, change, attach to, delete or transfer it run one after another."""

import hashlib
from datetime import datetime

from shared.names import Name
from shared.store.connection import Connection


async def lock_name(connection: Connection, name: Name) -> datetime:
    """Lock *name* until the transaction ends; return the time at which the lock was acquired.

    A transaction that works on several names locks all of them before any row, in the order of their text.
    """
    digest = hashlib.sha256(b"registry.domains/" + name.encode()).digest()
    now: datetime = await connection.fetchval(
        "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock($1)) SELECT clock_timestamp() FROM locked",
        int.from_bytes(digest[:8], signed=True),
    )
    return now


async def begin(connection: Connection, name: Name, requested_at: datetime) -> tuple[datetime, datetime]:
    """Lock *name*; return *requested_at*, or now if the publisher's clock is ahead, and now.

    A request dated in the future would win over all later ones. The clock is read under the lock, so that two such
    requests keep their order of arrival.
    """
    now = await lock_name(connection, name)
    return min(requested_at, now), now
