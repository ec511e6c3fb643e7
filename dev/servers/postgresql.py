"""A private PostgreSQL server: TCP on loopback only, its own data, one superuser with a random password.

PostgreSQL refuses to run as root. Started by root, it runs as the user `postgres`, who must be able to reach its folder
(`dev.folders` makes such folders).
"""

import asyncio
import signal
from enum import Enum
from pathlib import Path
from typing import Final, Self

from dev.ports import LOOPBACK, free_port
from dev.program import Command
from dev.servers import cluster, programs
from dev.servers.database import DatabaseServer
from dev.servers.server import Server

STOP_SECONDS: Final = 60.0

CONFIGURATION: Final = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 500
shared_buffers = 64MB
# Shared memory as files of the data folder: those in /dev/shm outlive a SIGKILL.
dynamic_shared_memory_type = mmap
# A killed process loses nothing by this, because the kernel has its writes; only a power cut would.
fsync = {fsync}
full_page_writes = {fsync}
log_line_prefix = '%m %u@%d '
log_checkpoints = off
max_wal_size = 256MB
"""


class StopMode(Enum):
    """How to stop the server."""

    FAST = signal.SIGINT
    """Sessions are ended, data is checkpointed."""
    IMMEDIATE = signal.SIGQUIT
    """Like a crash: the next start recovers from the write-ahead log."""


class PostgreSQL(Server, DatabaseServer):
    """A running server."""

    name = "postgresql"

    def __init__(self, folder: Path, password: str) -> None:
        Server.__init__(self, folder)
        self.port: Final = free_port()
        self.ports = (self.port,)
        url = f"postgresql://{cluster.SUPERUSER}:{password}@{LOOPBACK}:{self.port}/postgres"
        DatabaseServer.__init__(self, url)

    @classmethod
    async def start(cls, folder: Path, *, fsync: bool = False) -> Self:
        """Return a new server with its files in *folder*, ready for clients."""
        password = await asyncio.to_thread(cluster.copy_to, folder)
        self = cls(folder, password)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(host=LOOPBACK, port=self.port, fsync="on" if fsync else "off"))
        await self.resume()
        return self

    async def stop(self, mode: StopMode = StopMode.FAST) -> None:
        """Stop the server; return when all its processes are gone."""
        await self.program.stop(mode.value, STOP_SECONDS)

    async def restart(self, mode: StopMode = StopMode.FAST) -> None:
        """Stop the server and start it again."""
        await self.stop(mode)
        await self.resume()

    @property
    def data(self) -> Path:
        """The data folder: everything that the server stores, the write-ahead log included."""
        return self.folder / cluster.DATA

    def _command(self) -> Command:
        return Command(
            argv=[programs.postgresql_bin() / "postgres", "-D", self.data],
            log=self.log,
            cwd=self.folder,
            user=cluster.owner(),
            farewell=signal.SIGQUIT,  # killed, it would leave a System V shared memory segment
        )

    async def _is_ready(self) -> bool:
        return await self.answers()
