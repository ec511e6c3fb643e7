"""A private PostgreSQL server: TCP on loopback only, its own data, one superuser with a random password.

PostgreSQL refuses to run as root: then it runs as the user `postgres`, and its folder must be one that this user can
reach (`dev.folders` makes such).
"""

import asyncio
import signal
from enum import Enum
from pathlib import Path
from typing import Final, Self

from dev.ports import LOOPBACK, free_port
from dev.program import POLL_SECONDS, Command, Program, ProgramError
from dev.servers import cluster, programs
from dev.servers.database import DatabaseServer

START_SECONDS: Final = 60.0  # 0.1 on a quiet machine; recovery after a crash adds to it
STOP_SECONDS: Final = 60.0

CONFIGURATION: Final = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 500
shared_buffers = 64MB
# Shared memory as files of the data folder: those in /dev/shm outlive a SIGKILL.
dynamic_shared_memory_type = mmap
# A killed process loses nothing by this, as the kernel has what it wrote; only a power cut would.
fsync = {fsync}
full_page_writes = {fsync}
log_line_prefix = '%m %u@%d '
log_checkpoints = off
"""


class StopMode(Enum):
    """How the server is told to stop."""

    FAST = signal.SIGINT
    """Sessions are ended, data is checkpointed."""
    IMMEDIATE = signal.SIGQUIT
    """As a crash: the next start recovers from the write-ahead log."""


class PostgreSQL(DatabaseServer):
    """A running server."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder: Final = folder
        self.port: Final = free_port()
        super().__init__(f"postgresql://{cluster.SUPERUSER}:{password}@{LOOPBACK}:{self.port}/postgres")
        self._program: Program | None = None

    @classmethod
    async def start(cls, folder: Path, *, fsync: bool = False) -> Self:
        """Return a new server with its files in *folder*, ready for clients."""
        password = await asyncio.to_thread(cluster.copy_to, folder)
        self = cls(folder, password)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(host=LOOPBACK, port=self.port, fsync="on" if fsync else "off"))
        await self.resume()
        return self

    async def resume(self) -> None:
        """Start the server on the port and data that it had; return when it is ready for clients."""
        self._program = await Program.start(
            Command(
                argv=[programs.postgresql_bin() / "postgres", "-D", self.data],
                log=self._log,
                cwd=self.folder,
                user=cluster.owner(),
                farewell=signal.SIGQUIT,  # killed, it would leave a System V shared memory segment
            )
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self.answers():
                    self._program.check_alive()
                    await asyncio.sleep(2 * POLL_SECONDS)
        except TimeoutError:
            raise ProgramError(f"PostgreSQL was not ready in {START_SECONDS} s\n{self._program.tail()}") from None

    async def stop(self, mode: StopMode = StopMode.FAST) -> None:
        """Stop the server; return when all its processes are gone."""
        await self.program.stop(mode.value, STOP_SECONDS)

    async def restart(self, mode: StopMode = StopMode.FAST) -> None:
        """Stop the server and start it again."""
        await self.stop(mode)
        await self.resume()

    async def kill(self) -> None:
        """SIGKILL the server with all its processes."""
        await self.program.kill()

    async def end(self) -> None:
        """End the server for good; its data is not needed any more."""
        if self._program is not None:
            await self._program.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    @property
    def program(self) -> Program:
        """The process that runs now, or ran last."""
        assert self._program is not None
        return self._program

    @property
    def data(self) -> Path:
        """The data folder: everything that the server keeps, the write-ahead log included."""
        return self.folder / cluster.DATA

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that the server listens on."""
        return (self.port,)

    def log_text(self) -> str:
        """Return what the server has logged since it was first started."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / "postgresql.log"
