"""Certsmith as its users run it: real servers, and every service a process of its own with rights of its own.

    async with open_ground(folder) as ground, Platform.on(ground, "platform") as platform:
        await platform.run(platform.provisioner(), platform.terminator())
        await platform.point_here("shop.example.com")
        await platform.publisher.bare("domain.created", platform.domain("shop.example.com"))
        visit = await platform.served("shop.example.com")

Each service logs in at the broker and at the database as itself, has the key rings that it needs and no others, and
logs to a file; a failing test shows the end of each and keeps them. All ends with the block, however it is left.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from dev.folders import PASSABLE
from dev.platform.ledger import Ledger
from dev.platform.logins import Logins, share_keys
from dev.platform.publishing import Publisher
from dev.platform.servers import Ground
from dev.platform.service import Node, Service
from dev.platform.uploading import Uploader
from dev.platform.upstream import open_upstream
from dev.platform.visiting import Visit, Visitor
from dev.ports import free_address, free_port
from dev.servers.ca_gate import CaGate
from dev.servers.faults import Endpoint
from dev.waiting import DEADLINE_SECONDS, until
from shared.store.roles import Role
from shared.vault import key_files

S = TypeVar("S", bound=Service)

_CREATED: Final = 201
_PATIENCE_SECONDS: Final = 2 * DEADLINE_SECONDS

# Whatever waits for minutes in the world waits for moments here.
_QUICKLY: Final = {
    "PROVISIONER_LEASE_SECONDS": "6",
    "PROVISIONER_DNS_POLL_SECONDS": "0.3",
    "PROVISIONER_BACKOFF_SECONDS": "0.3,0.5,1,2",
    "PROVISIONER_NEW_ORDERS_PER_3_HOURS": "1000000",
    "PROVISIONER_CERTIFICATES_PER_WEEK": "1000000",
}


class Platform:
    """The services, what they stand on, and what a test does with them.

    *upstream* answers lines; *addresses* are those of up to two nodes.
    """

    def __init__(self, ground: Ground, logins: Logins, gate: CaGate, *, folder: Path, upstream: str) -> None:
        self.folder: Final = folder
        self.broker: Final = ground.broker
        self.database: Final = ground.database
        self.pebble: Final = ground.pebble
        self.roots: Final = ground.roots
        self.gate: Final = gate
        self.upstream: Final = upstream
        self.addresses: Final = (free_address(), free_address())
        self.publisher: Final = Publisher(logins.amqp_url("publisher"))
        self.uploader: Final = Uploader(folder / "keys" / "publisher" / key_files.INTAKE_PUBLIC.name)
        self.ledger: Final = Ledger(logins, ground.broker)
        self.services: Final[dict[str, Service]] = {}
        self.logins: Final = logins
        self._visitor: Final = Visitor(ground.roots)

    @classmethod
    @asynccontextmanager
    async def on(cls, ground: Ground, name: str, *, is_introduced: bool = True) -> AsyncIterator[Self]:
        """Yield a platform on *ground*, ready for its services; *name* is that of its place there.

        One that is not yet introduced has neither schema nor virtual host, until `introduce`.
        """
        folder = ground.folder / name
        folder.mkdir(mode=PASSABLE)
        logins = Logins(name, broker=ground.broker, database=ground.database, passwords=ground.passwords)
        share_keys(folder / "keys")
        async with CaGate(ground.pebble) as gate, open_upstream(name) as upstream:
            self = cls(ground, logins, gate, folder=folder, upstream=upstream)
            if is_introduced:
                await self.introduce()
            try:
                yield self
            finally:
                await self.end_services()

    async def introduce(self) -> None:
        """Make all that `certsmith migrate` makes, and keep all facts from then on."""
        await self.logins.introduce()
        await self.ledger.listen()

    def provisioner(self, name: str = "provisioner", *, module: str = "services.provisioner", **more: str) -> Service:
        """Return a provisioner that can be started; *more* are settings, or what another *module* reads."""
        port = free_port()
        environment = {
            **self._common("provisioner", port),
            **_QUICKLY,
            "AUTOCERT_CA": self.gate.directory_url,
            "AUTOCERT_TRUSTED_CA_FILE": str(self.gate.ca_file),
            "PROVISIONER_DNS_SERVERS": self.pebble.dns.address,
            "PROVISIONER_HTTP01_PORT": str(self.pebble.behaviour.http_port),
            "PROVISIONER_PROBE_ALLOW": "127.0.0.0/8",
            "PROVISIONER_PLATFORM_ADDRESSES": ",".join(self.addresses),
            **more,
        }
        return self._add(Service(name, module, environment=environment, folder=self.folder, ready_port=port))

    def validator(self, name: str = "validator", *, module: str = "services.validator", **more: str) -> Service:
        """Return a validator that can be started; *more* are settings, or what another *module* reads."""
        port = free_port()
        environment = {**self._common("validator", port), **more}
        return self._add(Service(name, module, environment=environment, folder=self.folder, ready_port=port))

    def terminator(self, name: str = "terminator", *, node: int = 0, **more: str) -> Node:
        """Return a terminator at the address of *node* that can be started; *more* are settings."""
        port, https_port, address = free_port(), free_port(), self.addresses[node]
        environment = {
            **self._common("terminator", port),
            "TERMINATOR_NODE": name,
            "TERMINATOR_WORKERS": "2",
            "TERMINATOR_HTTPS_ADDRESS": address,
            "TERMINATOR_HTTPS_PORT": str(https_port),
            "TERMINATOR_HTTP_ADDRESS": address,
            "TERMINATOR_HTTP_PORT": str(self.pebble.behaviour.http_port),
            "TERMINATOR_UPSTREAM_ALLOW": "127.0.0.0/8",
            **more,
        }
        return self._add(
            Node(
                name,
                environment=environment,
                folder=self.folder,
                ready_port=port,
                address=address,
                https_port=https_port,
            )
        )

    async def run(self, *services: Service) -> None:
        """Start *services* side by side; return when all are ready."""
        for service in services:
            await service.start()
        await asyncio.gather(*(service.ready() for service in services))

    async def end_services(self) -> None:
        """End all services that run."""
        await asyncio.gather(*(service.end() for service in self.services.values()))

    @property
    def nodes(self) -> list[Node]:
        """The terminators that run."""
        return [each for each in self.services.values() if isinstance(each, Node) and each.is_running]

    async def relay_holders(self) -> list[Service]:
        """Return the processes that send a service's outbox at the moment, one at most for each service."""
        leases = await self.ledger.rows("SELECT service, token FROM messaging.leases WHERE held_until > now()")
        leading = {(lease["service"], lease["token"]) for lease in leases}
        return [
            service
            for service in self.services.values()
            if service.is_running and leading.intersection(service.leaderships())
        ]

    def domain(self, host: str, **more: object) -> dict[str, Any]:
        """Return the data of a request to host *host*."""
        return {"domain": host, "upstream": self.upstream, **more}

    async def point_here(self, *hosts: str, node: int = 0) -> None:
        """Let the DNS say that *hosts* are at the address of *node*."""
        for host in hosts:
            await self.pebble.dns.set_a(host, self.addresses[node])

    async def served(
        self,
        host: str,
        *,
        by: Sequence[Node] = (),
        seconds: float = _PATIENCE_SECONDS,
        trusting: bytes | None = None,
    ) -> Visit:
        """Return the visit to *host*, once every node (of *by*) serves it with a chain that verifies.

        Visitors trust the CA's root and no other, or only those that are given, PEM, as *trusting*.
        """
        nodes = list(by) or self.nodes
        assert nodes, "no terminator runs"
        visitor = self._visitor if trusting is None else Visitor(trusting)
        visits = [await self._served_by(node, host, seconds, visitor) for node in nodes]
        return visits[0]

    async def visit(self, host: str, node: Node) -> Visit:
        """Return the visit to *host* at *node*, at the first try; raises what `Visitor.visit` does."""
        return await self._visitor.visit(host, address=node.address, port=node.https_port)

    async def _served_by(self, node: Node, host: str, seconds: float, visitor: Visitor) -> Visit:
        trouble = "nothing"

        async def look() -> Visit | None:
            nonlocal trouble
            try:
                return await visitor.visit(host, address=node.address, port=node.https_port)
            except (OSError, ssl.SSLError, TimeoutError) as error:
                trouble = f"{type(error).__name__}: {error}"
                return None

        visit = await until(look, lambda: f"{host} to be served by {node.name}; {trouble}", seconds=seconds)
        assert visit is not None
        return visit

    async def settled(self, *, seconds: float = _PATIENCE_SECONDS) -> None:
        """Return when nothing is left to be done anywhere; fail, naming what is left, after *seconds*."""
        left: list[str] = []

        async def look() -> bool:
            nonlocal left
            left = await self.ledger.unsettled()
            return not left

        await until(look, lambda: f"all to be settled; {len(left)} left: {left[:20]}", seconds=seconds)

    def orders_made(self) -> int:
        """Return how many orders the CA has made."""
        return sum(seen.endpoint is Endpoint.NEW_ORDER and seen.status == _CREATED for seen in self.gate.seen)

    def logs(self) -> dict[str, Path]:
        """Return the log of each service and server, by name."""
        servers = {each.name: each.log for each in (self.broker, self.database, self.pebble)}
        return {**{name: service.log for name, service in self.services.items()}, **servers}

    def _common(self, service: Role, ready_port: int) -> dict[str, str]:
        prefix = service.upper()
        return {
            "CERTSMITH_CONFIG": str(self.folder / "certsmith.yaml"),  # is not there: the checkout may have one
            "CERTSMITH_KEYS_DIR": str(self.folder / "keys" / service),
            f"{prefix}_AMQP_URL": self.logins.amqp_url(service),
            f"{prefix}_DATABASE_URL": self.logins.database_url(service),
            f"{prefix}_METRICS_PORT": str(ready_port),
        }

    def _add(self, service: S) -> S:
        assert service.name not in self.services, f"there is a {service.name} already"
        self.services[service.name] = service
        return service
