"""Runs the services of docker-compose.yml as processes: the same commands, settings, secrets and order.

It replaces what a container engine provides, and nothing else:

* Each container has its own loopback address, so that all may listen on the ports in the file. The names of the other
  containers, `0.0.0.0` and `127.0.0.1` are replaced by such addresses.
* Ports 80 and 443, which only root may open, are replaced by two others everywhere.
* RabbitMQ and PostgreSQL are real servers that run already; their names and ports are replaced by the real ones.
* The files mounted into a container are in its own folder, and paths are replaced accordingly: the file itself, or a
  copy in which addresses are replaced in the same way.
* The image's environment variables are set; its programs are those of this checkout.
"""

import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dev.ports import free_address, free_port
from dev.program import Command, Program
from dev.servers import programs
from dev.waiting import until
from tests.rig.compose.dockerfile import environment, stages
from tests.rig.compose.file import ROOT, ComposeFile, Service

PROGRAMS: Final = {
    "python": (sys.executable,),
    "certsmith": (sys.executable, "-m", "certsmith"),
    "with-address": (str(ROOT / "deploy/pebble/with-address"),),
}
DOCKER_NETWORKS: Final = ("172.16.0.0/12", "192.168.0.0/16")
LOOPBACK_NETWORK: Final = "127.0.0.0/8"
ONCE_SECONDS: Final = 90.0  # longer than migration waits for the servers
STOP_SECONDS: Final = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The surroundings of the containers."""

    folder: Path
    compose: ComposeFile
    servers: Mapping[str, str]
    """The real address of `name:port` of a server."""
    addresses: Mapping[str, str]
    """The address of each service, by name; for several containers of one service, the first one's."""
    more: Mapping[str, Mapping[str, str]]
    """Settings, by service, that it needs only because it runs as a process."""
    ports: Mapping[str, str] = field(default_factory=lambda: {"80": str(free_port()), "443": str(free_port())})


class Container:
    """One container: a service's processes, with their files and environment."""

    def __init__(self, around: Surroundings, service: Service, number: int) -> None:
        self.service: Final = service
        self.name: Final = f"{service.name}-{number}"
        self.address: Final = around.addresses[service.name] if number == 1 else free_address()
        self._around: Final = around
        self._root: Final = around.folder / self.name
        self._root.mkdir()
        self._texts: Final = self._translations()
        self._environment: Final = self._settings()
        self._program: Program | None = None
        for target in service.files:
            self._mount(target)

    async def start(self) -> None:
        """Start it."""
        self._program = await self._run(self.service.command)

    async def healthy(self) -> None:
        """Return when its health check succeeds; fail if it ends before that."""
        assert self.service.health_check is not None, f"{self.name} has no health check"
        await until(self._is_healthy, lambda: f"{self.name} to be healthy\n{self.program.tail()}")

    async def done(self) -> int:
        """Return its exit status once it has exited by itself."""
        return await self.program.wait(ONCE_SECONDS)

    async def stop(self) -> int:
        """Send SIGTERM, as Docker does, and return the exit status."""
        return await self.program.stop(signal.SIGTERM, STOP_SECONDS)

    async def end(self) -> None:
        """End it in the quickest way, if it runs."""
        if self._program is not None and self._program.returncode is None:
            await self._program.end()

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Run its entry point with *arguments*, as `docker compose run` does; return the exit status and the output."""
        program = await self._run((*map(str, self.service.definition["entrypoint"]), *arguments))
        return await program.wait(ONCE_SECONDS), program.command.log.read_text()

    def translate(self, text: str) -> str:
        """Return *text*, part of a command or a setting, with this machine's names and paths."""
        return self._texts.sub(self._meaning, self._around.ports.get(text, text))

    @property
    def program(self) -> Program:
        """Its process."""
        assert self._program is not None, f"{self.name} was never started"
        return self._program

    async def _run(self, words: Sequence[str]) -> Program:
        program, *arguments = words
        if program == "with-address":
            arguments[0] = self._around.addresses[arguments[0]]
        argv = [*PROGRAMS.get(program, (program,)), *map(self.translate, arguments)]
        log = self._root / f"{len(list(self._root.glob('*.log')))}.log"
        return await Program.start(Command(argv=argv, log=log, env=self._environment, cwd=self._root))

    async def _is_healthy(self) -> bool:
        self.program.check_alive()
        check = await self._run(self.service.health_check or ())
        return await check.wait(ONCE_SECONDS) == 0

    def _settings(self) -> dict[str, str]:
        image = environment(stages(ROOT / "Dockerfile")[-1]) if self.service.is_ours else {}
        given = {name: self.translate(value) for name, value in self.service.environment.items()}
        here = {"PATH": f"{programs.pebble().parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        return image | given | here | {**self._around.more.get(self.service.name, {})}

    def _mount(self, target: str) -> None:
        source, path = self.service.files[target], Path(self._inside(target))
        if source.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(source)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self._texts.sub(self._meaning, source.read_text())
        if target in self.service.secrets and text == source.read_text():  # rings change while mounted
            path.hardlink_to(source)
            return
        if target not in self.service.secrets:  # keys and certificates are full of digits
            text = re.sub(r"(?<=: )(80|443)\b", lambda found: self._around.ports[found[0]], text)
        path.write_text(text)

    def _translations(self) -> re.Pattern[str]:
        """Return a pattern for all names and paths that differ on this machine."""
        names = "|".join(map(re.escape, self._around.addresses))
        return re.compile(
            "|".join(
                (
                    *map(re.escape, self._around.servers),
                    *map(re.escape, DOCKER_NETWORKS),
                    rf"(?<![\w.-])(?:{names})(?=:\d+(?![\w@]))",
                    r"\b0\.0\.0\.0\b",
                    r"\b127\.0\.0\.1\b",
                    *(rf"{re.escape(target)}(?![\w.-])" for target in self.service.files),
                )
            )
        )

    def _meaning(self, found: re.Match[str]) -> str:
        text = found[0]
        if text in DOCKER_NETWORKS:
            return LOOPBACK_NETWORK
        if text in ("0.0.0.0", "127.0.0.1"):
            return self.address
        if text in self.service.files:
            return self._inside(text)
        return self._around.servers.get(text) or self._around.addresses[text]

    def _inside(self, target: str) -> str:
        return f"{self._root}{target}"


class Deployment:
    """All containers of the requested profiles."""

    def __init__(self, around: Surroundings) -> None:
        self.around: Final = around
        self.containers: Final[dict[str, Container]] = {}

    @classmethod
    @asynccontextmanager
    async def up(
        cls, around: Surroundings, *, profiles: Sequence[str], scale: Mapping[str, int]
    ) -> AsyncIterator["Deployment"]:
        """Yield the deployment when all containers are healthy; each starts when its dependencies allow it."""
        self = cls(around)
        try:
            for service in around.compose.selected(profiles):
                if service.name in (name.partition(":")[0] for name in around.servers):
                    continue
                for number in range(1, scale.get(service.name, 1) + 1):
                    await self._start(Container(around, service, number))
            for container in self.containers.values():
                if container.service.health_check is not None:
                    await container.healthy()
            yield self
        except BaseException as error:
            for container in self.containers.values():
                error.add_note(f"--- {container.name}\n{container.program.tail()}")
            raise
        finally:
            for container in self.containers.values():
                await container.end()

    async def _start(self, container: Container) -> None:
        for name, condition in container.service.depends_on.items():
            for other in (each for each in self.containers.values() if each.service.name == name):
                match condition:
                    case "service_completed_successfully":
                        assert await other.done() == 0, other.program.tail()
                    case "service_healthy":
                        await other.healthy()
                    case _:
                        other.program.check_alive()
        await container.start()
        self.containers[container.name] = container

    async def down(self) -> dict[str, int]:
        """Stop all running containers, in reverse order; return the exit statuses by container."""
        running = [each for each in self.containers.values() if each.program.returncode is None]
        return {each.name: await each.stop() for each in reversed(running)}

    def tool(self, name: str) -> Container:
        """Return a container for commands of the service *name*, which does not start with the others."""
        return Container(self.around, self.around.compose.services[name], 1)
