"""Certsmith as its users run it: real servers, and every service a separate process with its own rights.

    async with open_servers(folder) as servers, Platform.on(servers, "platform") as platform:
        await platform.run(platform.provisioner(), platform.terminator())
        await platform.point_here("shop.example.com")
        await platform.publisher.bare("domain.created", platform.domain("shop.example.com"))
        visit = await platform.served("shop.example.com")

Each service has its own logins at the broker and the database, has only the key rings that it needs, and logs to a
file. A failing test shows the end of each log and keeps the files. Everything ends with the block, also after an error.
"""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from dev.folders import PASSABLE
from dev.platform.ledger import Ledger
from dev.platform.logins import Logins, share_keys
from dev.platform.publishing import Publisher
from dev.platform.servers import PlatformServers
from dev.platform.service import Node, Service
from dev.platform.uploading import Uploader
from dev.platform.upstream import open_upstream
from dev.platform.visiting import Visit, Visitor
from dev.ports import free_address, free_port
from dev.servers.ca_gate import CaGate
from dev.servers.faults import Endpoint
from dev.waiting import until
from shared.store.roles import Role
from shared.vault import key_files

S = TypeVar("S", bound=Service)

_CREATED: Final = 201

# Delays of minutes in production are fractions of a second here.
_QUICKLY: Final = {
    "PROVISIONER_LEASE_SECONDS": "6",
    "PROVISIONER_DNS_POLL_SECONDS": "0.3",
    "PROVISIONER_BACKOFF_SECONDS": "0.3,0.5,1,2",
    "PROVISIONER_NEW_ORDERS_PER_3_HOURS": "1000000",
    "PROVISIONER_CERTIFICATES_PER_WEEK": "1000000",
}


class Platform:
    """The services, the servers they run on, and clients for tests.

    *upstream* is the address of a server that answers lines; *addresses* are the addresses of up to two nodes.
    """

    def __init__(
        self, name: str, servers: PlatformServers, logins: Logins, gate: CaGate, *, folder: Path, upstream: str
    ) -> None:
        self.name: Final = name
        self.folder: Final = folder
        self.broker: Final = servers.broker
        self.database: Final = servers.database
        self.pebble: Final = servers.pebble
        self.roots: Final = servers.roots
        self.gate: Final = gate
        self.upstream: Final = upstream
        self.addresses: Final = (free_address(), free_address())
        self.publisher: Final = Publisher(logins.amqp_url("publisher"))
        self.uploader: Final = Uploader(folder / "keys" / "publisher" / key_files.INTAKE_PUBLIC.name)
        self.ledger: Final = Ledger(logins, servers.broker)
        self.services: Final[dict[str, Service]] = {}
        self.logins: Final = logins
        self._visitor: Final = Visitor(servers.roots)

    @classmethod
    @asynccontextmanager
    async def on(cls, servers: PlatformServers, name: str, *, is_migrated: bool = True) -> AsyncIterator[Self]:
        """Yield a platform on *servers*, ready for its services, with a database and a virtual host of its own.

        If it is not yet migrated, it has neither of the two until `migrate`. The upstream answers with *name*.
        """
        place = f"{name}-{secrets.token_hex(4)}"
        folder = servers.folder / place
        folder.mkdir(mode=PASSABLE)
        logins = Logins(place, broker=servers.broker, database=servers.database, passwords=servers.passwords)
        share_keys(folder / "keys")
        async with CaGate(servers.pebble) as gate, open_upstream(name) as upstream:
            self = cls(name, servers, logins, gate, folder=folder, upstream=upstream)
            if is_migrated:
                await self.migrate()
            try:
                yield self
            finally:
                await self.end_services()
                if servers.are_shared:
                    await logins.remove()

    async def migrate(self) -> None:
        """Run `certsmith migrate`, then start to record every published fact."""
        await self.logins.migrate()
        await self.ledger.listen()

    def provisioner(self, name: str = "provisioner", *, module: str = "services.provisioner", **more: str) -> Service:
        """Return a provisioner that is not started; *more* are additional environment variables."""
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
        """Return a validator that is not started; *more* are additional environment variables."""
        port = free_port()
        environment = {**self._common("validator", port), **more}
        return self._add(Service(name, module, environment=environment, folder=self.folder, ready_port=port))

    def terminator(self, name: str = "terminator", *, node: int = 0, **more: str) -> Node:
        """Return a terminator at the address of *node*, not started; *more* are additional environment variables."""
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
        """Start *services* at the same time; return when all are ready."""
        for service in services:
            await service.start()
        await asyncio.gather(*(service.ready() for service in services))

    async def end_services(self) -> None:
        """End all running services."""
        await asyncio.gather(*(service.end() for service in self.services.values()))

    @property
    def nodes(self) -> list[Node]:
        """The running terminators."""
        return [each for each in self.services.values() if isinstance(each, Node) and each.is_running]

    async def relay_holders(self) -> list[Service]:
        """Return the processes that hold a relay's lease now, at most one for each service."""
        leases = await self.ledger.rows("SELECT service, token FROM messaging.leases WHERE held_until > now()")
        leading = {(lease["service"], lease["token"]) for lease in leases}
        return [
            service
            for service in self.services.values()
            if service.is_running and leading.intersection(service.leaderships())
        ]

    def domain(self, host: str, **more: object) -> dict[str, Any]:
        """Return the data of `domain.created` for *host*; *more* are other fields."""
        return {"domain": host, "upstream": self.upstream, **more}

    async def point_here(self, *hosts: str, node: int = 0) -> None:
        """Point the DNS records of *hosts* to the address of *node*."""
        for host in hosts:
            await self.pebble.dns.set_a(host, self.addresses[node])

    async def served(
        self,
        host: str,
        *,
        by: Sequence[Node] = (),
        trusting: bytes | None = None,
    ) -> Visit:
        """Return the visit to *host*, once every node (or every one in *by*) serves it with a chain that verifies.

        Visitors trust only the roots in *trusting* (PEM); without it, only the CA's root.
        """
        nodes = list(by) or self.nodes
        assert nodes, "no terminator runs"
        visitor = self._visitor if trusting is None else Visitor(trusting)
        visits = [await self._served_by(node, host, visitor) for node in nodes]
        return visits[0]

    async def visit(self, host: str, node: Node) -> Visit:
        """Return the visit to *host* at *node*, without retrying; raises the errors of `Visitor.visit`."""
        return await self._visitor.visit(host, address=node.address, port=node.https_port)

    async def _served_by(self, node: Node, host: str, visitor: Visitor) -> Visit:
        trouble = "nothing"

        async def look() -> Visit | None:
            nonlocal trouble
            try:
                return await visitor.visit(host, address=node.address, port=node.https_port)
            except (OSError, ssl.SSLError, TimeoutError) as error:
                trouble = f"{type(error).__name__}: {error}"
                return None

        visit = await until(look, lambda: f"{host} to be served by {node.name}; {trouble}", seen=self._logged)
        assert visit is not None
        return visit

    async def settled(self) -> None:
        """Return when no work is left anywhere; once no service does anything, fail with a list of what is left."""
        left: list[str] = []

        async def look() -> bool:
            nonlocal left
            left = await self.ledger.unsettled()
            return not left

        await until(look, lambda: f"all to be settled; {len(left)} left: {left[:20]}", seen=self._logged)

    def _logged(self) -> list[int]:
        """Return how much each service has logged, which grows as long as it does something."""
        return [service.log.stat().st_size for service in self.services.values() if service.log.exists()]

    def orders_made(self) -> int:
        """Return how many orders the CA has created."""
        return sum(seen.endpoint is Endpoint.NEW_ORDER and seen.status == _CREATED for seen in self.gate.seen)

    def logs(self) -> dict[str, Path]:
        """Return the log of each service and server, by name."""
        servers = {each.name: each.log for each in (self.broker, self.database, self.pebble)}
        return {**{name: service.log for name, service in self.services.items()}, **servers}

    def _common(self, service: Role, ready_port: int) -> dict[str, str]:
        prefix = service.upper()
        return {
            "CERTSMITH_CONFIG": str(
                self.folder / "certsmith.yaml"
            ),  # does not exist: without this, the checkout's own file would be read
            "CERTSMITH_KEYS_DIR": str(self.folder / "keys" / service),
            f"{prefix}_AMQP_URL": self.logins.amqp_url(service),
            f"{prefix}_DATABASE_URL": self.logins.database_url(service),
            f"{prefix}_METRICS_PORT": str(ready_port),
        }

    def _add(self, service: S) -> S:
        assert service.name not in self.services, f"a service named {service.name} exists already"
        self.services[service.name] = service
        return service
