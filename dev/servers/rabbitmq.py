"""A private RabbitMQ node: loopback only, its own data, cookie and epmd, one administrator with a random password.

It runs as the user that starts it. The management API refreshes its statistics every second instead of every five, so
that waiting for an empty queue does not take longer than necessary.
"""

import asyncio
import os
import secrets
import signal
from pathlib import Path
from typing import Final, Self

from dev.ports import LOOPBACK, free_port
from dev.program import Command
from dev.servers import programs
from dev.servers.broker import Broker
from dev.servers.server import Server

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


class RabbitMQ(Server, Broker):
    """A running node."""

    name = "rabbitmq"

    def __init__(self, folder: Path) -> None:
        Server.__init__(self, folder)
        self._port: Final = {name: free_port() for name in ("amqp", "management", "prometheus", "dist", "epmd")}
        self.ports = tuple(self._port.values())
        Broker.__init__(
            self,
            user="certsmith",
            password=secrets.token_urlsafe(16),
            host=LOOPBACK,
            port=self._port["amqp"],
            management_url=f"http://{LOOPBACK}:{self._port['management']}",
        )
        self.prometheus_url: Final = f"http://{LOOPBACK}:{self._port['prometheus']}/metrics"

    @classmethod
    async def start(cls, folder: Path) -> Self:
        """Return a new node with its files in *folder*, ready for clients."""
        self = cls(folder)
        self._configure()
        await self.resume()
        return self

    async def stop(self) -> None:
        """Stop the node cleanly; return when it and its epmd are gone."""
        await self.program.stop(signal.SIGTERM, STOP_SECONDS)

    async def restart(self) -> None:
        """Stop the node cleanly and start it again."""
        await self.stop()
        await self.resume()

    def _command(self) -> Command:
        return Command(argv=[programs.rabbitmq_sbin() / "rabbitmq-server"], log=self.log, env=self._environment())

    async def _is_ready(self) -> bool:
        """Whether clients are served: a node starts the listener for them last."""
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        return await self.answers()

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        values = {"host": LOOPBACK, "user": self.user, "password": self.password, **self._port}
        configuration = self.folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(CONFIGURATION.format_map(values))
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")

    def _environment(self) -> dict[str, str]:
        """Return variables that separate the node from every other one on this machine."""
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": folder,  # the Erlang cookie
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._port["epmd"]),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_DIST_PORT": str(self._port["dist"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # With it the script becomes the Erlang machine instead of waiting for it, so signals reach the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
