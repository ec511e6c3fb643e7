"""Writes to the tables as an attacker with the administrator's login, and reads how the nodes answer afterwards."""

import secrets
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

from dev.platform.platform import Platform
from dev.platform.service import Node
from dev.waiting import until
from tests.rig.strangers import INTERNAL_ERROR, first_words

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def with_administrator(platform: Platform, act: Callable[[Connection], Awaitable[object]]) -> None:
    """Let *act* write the tables, past foreign keys and triggers."""
    connection = await asyncpg.connect(platform.logins.administrator_url)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await act(connection)
    finally:
        await connection.close()


async def touch(platform: Platform, *hosts: str, tenant: str = "") -> None:
    """Have the nodes read the rows of *hosts* again."""
    for host in hosts:
        data = {"domain": host, "tenant": tenant, "description": secrets.token_hex(4)}
        await platform.publisher.bare("domain.updated", data)


async def becomes_refused(node: Node, host: str) -> None:
    """Return when a handshake for *host* ends with the alert `internal_error`."""

    async def look() -> bool:
        return await refused_with_internal_error(node, host)

    await until(look, lambda: f"{host} to be refused with internal_error")


async def refused_with_internal_error(node: Node, host: str) -> bool:
    """Return whether a handshake for *host* is answered with the alert `internal_error` and nothing else."""
    return await first_words(host, node) == INTERNAL_ERROR
