"""The servers that platforms run on. Several platforms may share them: each has its own database and virtual host."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.platform.logins import new_passwords
from dev.servers import Behaviour, Pebble, PostgreSQL, RabbitMQ, together


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformServers:
    """Broker, database and CA; *roots* are the root certificates of the CA, PEM."""

    folder: Path
    broker: RabbitMQ
    database: PostgreSQL
    pebble: Pebble
    roots: bytes
    passwords: Mapping[str, str]
    are_shared: bool = False
    """Whether others use them too, so that each platform deletes its database and its virtual host at its end."""


@asynccontextmanager
async def open_servers(folder: Path, behaviour: Behaviour | None = None) -> AsyncIterator[PlatformServers]:
    """Yield servers with their data in *folder*, which `run_folder` made; they end with the block."""
    async with together(folder, behaviour=behaviour) as servers:
        assert servers.rabbitmq is not None
        assert servers.postgresql is not None
        assert servers.pebble is not None
        yield PlatformServers(
            folder=folder,
            broker=servers.rabbitmq,
            database=servers.postgresql,
            pebble=servers.pebble,
            roots=await servers.pebble.roots(),
            passwords=new_passwords(),
        )
