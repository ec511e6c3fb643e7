"""An installation of the previous release is upgraded in place, service by service, while visitors come."""

import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from dev.platform.customer_ca import Authority
from dev.platform.platform import Platform
from dev.platform.servers import PlatformServers
from dev.platform.service import ROOT, Node, Service
from dev.platform.uploading import UPLOADED
from dev.waiting import until
from tests.rig import previous_release
from tests.rig.load.visitors import Report, load_on

pytestmark = [pytest.mark.soak, pytest.mark.asyncio(loop_scope="module")]

RATE: Final = 60  # new connections a second
DOMAINS: Final = 12  # created in each phase of the upgrade
CUSTOMER: Final = Authority()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """The results of an upgrade: the visitors' report, the registry's contents, and the old services' exit statuses."""

    report: Report
    certificates: dict[str, int]
    exits: dict[str, int]
    left: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(servers: PlatformServers) -> AsyncIterator[Platform]:
    async with Platform.on(servers, "upgraded", is_migrated=False) as running:
        yield running


class Upgrade:
    """The services of both releases, and the domains that come meanwhile."""

    def __init__(self, platform: Platform, tree: Path) -> None:
        self.platform: Final = platform
        self.tree: Final = tree
        self.hosts: Final[list[str]] = []

    async def start_old(self) -> list[Service]:
        """Install the previous release and start its services."""
        await self.platform.database.create_database(self.platform.logins.name)
        await self.platform.broker.add_vhost(self.platform.logins.name)
        await previous_release.migrate(self.platform, self.tree)
        await self.platform.ledger.listen()
        services = self._services("old")
        for service in services:
            service.tree = self.tree
        await self.platform.run(*services)
        return services

    async def start_new(self, node: Node) -> list[Service]:
        """Migrate and start the services of this release; the terminator shares the port of *node*."""
        await previous_release.migrate(self.platform, ROOT)
        services = self._services("new", https_port=node.https_port)
        await self.platform.run(*services)
        return services

    async def create_domains(self) -> None:
        """Create domains; renew one, upload for one, delete and recreate one; return when all is done."""
        hosts = [f"shop-{secrets.token_hex(6)}.example.com" for _ in range(DOMAINS)]
        await self.platform.point_here(*hosts[:-1])
        for host in hosts:
            await self.platform.publisher.bare("domain.created", self.platform.domain(host))
        for host in hosts[:-1]:
            await self._issued(host, 1)
        await self.platform.publisher.bare("certificate.renewal_requested", {"domain": hosts[0]})
        await self._issued(hosts[0], 2)
        upload = self.platform.uploader.upload(CUSTOMER.issue(hosts[1]), attach=[hosts[1]])
        await self.platform.publisher.bare(UPLOADED, upload)
        verdict = await self.platform.ledger.verdict(upload["certificate_id"])
        assert verdict.kind == "certificate.ready", verdict
        await self._recreate(hosts[-1])
        self.hosts.extend(hosts)

    async def _recreate(self, host: str) -> None:
        """Delete *host*, whose order waits for its DNS, and create it again once its DNS is right."""
        query = "SELECT deleted_at IS NOT NULL FROM registry.domains WHERE name = $1"

        async def is_deleted() -> bool:
            return bool(await self.platform.ledger.value(query, host))

        await self.platform.publisher.bare("domain.updated", {"domain": host, "description": "still waiting"})
        await self.platform.publisher.bare("domain.deleted", {"domain": host})
        await until(is_deleted, f"{host} to be deleted")
        await self.platform.point_here(host)
        await self.platform.publisher.bare("domain.created", self.platform.domain(host))
        await self._issued(host, 1)

    async def certificates(self) -> dict[str, int]:
        """Return how many certificates each domain was issued."""
        return {host: await self._count(host) for host in self.hosts}

    def _services(self, release: str, *, https_port: int | None = None) -> list[Service]:
        shared_port = {} if https_port is None else {"TERMINATOR_HTTPS_PORT": str(https_port)}
        return [
            self.platform.provisioner(f"provisioner-{release}"),
            self.platform.validator(f"validator-{release}"),
            self.platform.terminator(f"terminator-{release}", node=0, **shared_port),
        ]

    async def _issued(self, host: str, count: int) -> None:
        async def look() -> bool:
            return await self._count(host) == count

        await until(look, f"{count} certificates for {host}")

    async def _count(self, host: str) -> int:
        orders: list[dict[str, Any]] = await self.platform.ledger.orders(host)
        return sum(order["state"] == "issued" for order in orders)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upgraded(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    upgrade = Upgrade(platform, previous_release.unpack(tmp_path_factory.mktemp("previous")))
    old = await upgrade.start_old()
    node = next(service for service in old if isinstance(service, Node))
    await upgrade.create_domains()
    visited = upgrade.hosts[2]
    await platform.served(visited, by=[node])
    async with load_on(platform, visited, [node], staying=0, rate=RATE) as load:
        new = await upgrade.start_new(node)
        await upgrade.create_domains()  # by services of both releases
        exits = {service.name: await service.stop() for service in old}
        await upgrade.create_domains()
        assert all(service.is_running for service in new)
        report = await load.stop()
    sys.stdout.write(f"{report}\n")
    await platform.settled()
    return Upgraded(
        report=report,
        certificates=await upgrade.certificates(),
        exits=exits,
        left=await platform.ledger.unsettled(),
    )


async def test_no_handshake_fails(upgraded: Upgraded) -> None:
    assert upgraded.report.failures == ()
    assert len(upgraded.report.handshakes) > RATE


async def test_the_old_services_stop_as_asked(upgraded: Upgraded) -> None:
    assert set(upgraded.exits.values()) == {0}


async def test_each_domain_has_one_certificate_for_each_request(upgraded: Upgraded) -> None:
    renewed = [number % DOMAINS == 0 for number in range(len(upgraded.certificates))]

    assert list(upgraded.certificates.values()) == [2 if was_renewed else 1 for was_renewed in renewed]
    assert upgraded.left == []
