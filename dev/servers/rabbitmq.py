"""A private RabbitMQ node: loopback only, its own data, cookie and epmd, one administrator with a random password.

It runs as whoever starts it. The management API keeps its figures for a second, not for five as by default, so that who
waits for a queue to be empty does not wait for the figures.
"""

import asyncio
import os
import secrets
import signal
from pathlib import Path
from typing import Final, Self

from dev.ports import LOOPBACK, free_port
from dev.program import POLL_SECONDS, Command, Program, ProgramError
from dev.servers import programs
from dev.servers.broker import Broker

START_SECONDS: Final = 60.0  # 4 to 7 on a quiet machine
STOP_SECONDS: Final = 60.0  # 6 on a quiet machine: 5 of them are a pause of the management plugin
NODE: Final = "certsmith@localhost"

CONFIGURATION: Final = """\
listeners.tcp.1 = {host}:{amqp}
management.tcp.ip = {host}
management.tcp.port = {management}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {prometheus}
default_user = {user}
default_pass = {password}
collect_statistics_interval = 1000
log.file = false
log.console = true
log.console.level = info
log.console.use_colors = off
"""


class RabbitMQ(Broker):
    """A running node."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self._ports: Final = {name: free_port() for name in ("amqp", "management", "prometheus", "dist", "epmd")}
        super().__init__(
            user="certsmith",
            password=secrets.token_urlsafe(16),
            host=LOOPBACK,
            port=self._ports["amqp"],
            management_url=f"http://{LOOPBACK}:{self._ports['management']}",
        )
        self.prometheus_url: Final = f"http://{LOOPBACK}:{self._ports['prometheus']}/metrics"
        self._program: Program | None = None

    @classmethod
    async def start(cls, folder: Path) -> Self:
        """Return a new node with its files in *folder*, ready for clients."""
        self = cls(folder)
        self._configure()
        await self.resume()
        return self

    async def resume(self) -> None:
        """Start the node on the ports and data that it had; return when it is ready for clients."""
        self._program = await Program.start(
            Command(argv=[programs.rabbitmq_sbin() / "rabbitmq-server"], log=self._log, env=self._environment())
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._is_ready():
                    self._program.check_alive()
                    await asyncio.sleep(5 * POLL_SECONDS)
        except TimeoutError:
            raise ProgramError(f"RabbitMQ was not ready in {START_SECONDS} s\n{self._program.tail()}") from None

    async def stop(self) -> None:
        """Stop the node in good order; return when it and its epmd are gone."""
        await self.program.stop(signal.SIGTERM, STOP_SECONDS)

    async def kill(self) -> None:
        """SIGKILL the node; return when it and its epmd are gone."""
        await self.program.kill()

    async def restart(self) -> None:
        """Stop the node in good order and start it again."""
        await self.stop()
        await self.resume()

    async def end(self) -> None:
        """End the node for good; its data is not needed any more."""
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
    def ports(self) -> tuple[int, ...]:
        """Every port that the node listens on."""
        return tuple(self._ports.values())

    def log_text(self) -> str:
        """Return what the node has logged since it was first started."""
        return self._log.read_text(errors="replace")

    async def _is_ready(self) -> bool:
        """Whether clients are served: the listener for them is the last thing that a node starts."""
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        return await self.answers()

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        values = {"host": LOOPBACK, "user": self.user, "password": self.password, **self._ports}
        configuration = self.folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(CONFIGURATION.format_map(values))
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")

    def _environment(self) -> dict[str, str]:
        """Return what keeps the node off everything that another one on this machine may use."""
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": folder,  # the Erlang cookie
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_DIST_PORT": str(self._ports["dist"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The script then becomes the Erlang machine instead of waiting for it, so signals reach the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    @property
    def _log(self) -> Path:
        return self.folder / "rabbitmq.log"
