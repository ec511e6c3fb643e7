"""The servers that platforms stand on; several platforms may share them, each with a place of its own in each."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.platform.logins import new_passwords
from dev.servers import Behaviour, Pebble, PostgreSQL, RabbitMQ, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Broker, database and CA; *roots* is what verifies the CA's certificates."""

    folder: Path
    broker: RabbitMQ
    database: PostgreSQL
    pebble: Pebble
    roots: bytes
    passwords: Mapping[str, str]


@asynccontextmanager
async def open_ground(folder: Path, behaviour: Behaviour | None = None) -> AsyncIterator[Ground]:
    """Yield servers with their data in *folder*, which is one of `run_folder`'s; they end with the block."""
    async with together(folder, behaviour=behaviour) as servers:
        assert servers.rabbitmq is not None
        assert servers.postgresql is not None
        assert servers.pebble is not None
        yield Ground(
            folder=folder,
            broker=servers.rabbitmq,
            database=servers.postgresql,
            pebble=servers.pebble,
            roots=await servers.pebble.roots(),
            passwords=new_passwords(),
        )
