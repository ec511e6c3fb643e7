"""The lock of a name: who registers, changes, attaches to, deletes or transfers it goes one after another."""

import hashlib
from datetime import datetime

from shared.names import Name
from shared.store.connection import Connection


async def lock_name(connection: Connection, name: Name) -> datetime:
    """Let nobody else register, change, attach to, delete or transfer *name* until the transaction ends; return now.

    Who works on several names locks them in the order of their text, all before any row.
    """
    digest = hashlib.sha256(b"registry.domains/" + name.encode()).digest()
    now: datetime = await connection.fetchval(
        "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock($1)) SELECT clock_timestamp() FROM locked",
        int.from_bytes(digest[:8], signed=True),
    )
    return now


async def begin(connection: Connection, name: Name, requested_at: datetime) -> tuple[datetime, datetime]:
    """Lock *name*; return *requested_at*, or now if the publisher's clock is ahead, and now.

    A request from the future would outdo all that come after it. The clock is read under the lock, so that two such
    requests keep the order in which they came.
    """
    now = await lock_name(connection, name)
    return min(requested_at, now), now
