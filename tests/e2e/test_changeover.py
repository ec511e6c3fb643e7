"""A domain changes between its automatic certificate and its customer's own, and no connection fails."""

import asyncio
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
import pytest_asyncio

from dev.platform.customer_ca import Authority, Issued
from dev.platform.platform import Platform
from dev.platform.service import Node
from dev.platform.uploading import UPLOADED
from dev.platform.visiting import Visit, Visitor
from tests.rig.fact_recorder import Fact, FactRecorder, recording_facts
from tests.rig.load.visitors import Handshake, Report, load_on

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS: Final = Authority()
SHORT, LONG = 3, pytest.param(12, marks=pytest.mark.soak)  # rounds of two changes each
STAY_SECONDS: Final = 0.4  # between two changes, so that visitors come at each node
RATE: Final = 80  # new connections a second
LEAST: Final = 50
BUSY: Final = 0.1  # a machine with less idle time than this cannot do more
STAYING: Final = 20
DAY_SECONDS: Final = 86400

Nodes = tuple[Node, Node]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(platform: Platform) -> Nodes:
    # Long enough that a stale cache entry would last for the whole test.
    patient = {"TERMINATOR_UNKNOWN_SECONDS": "600", "TERMINATOR_POLL_SECONDS": "600"}
    first, second = (platform.terminator(f"node-{number}", node=number, **patient) for number in range(2))
    await platform.run(platform.provisioner(), platform.validator(), first, second)
    return first, second


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorder(platform: Platform) -> AsyncIterator[FactRecorder]:
    async with recording_facts(platform.logins.administrator_amqp_url) as facts:
        yield facts


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


def serial_number(issued: Issued) -> str:
    return f"{issued.leaf.serial_number:x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The certificate that a domain serves from a version of its row on."""

    serial_number: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The handshakes with a domain that changed to and fro, with a new certificate each time."""

    report: Report
    history: Sequence[Served]
    deployed: dict[str, list[Fact]]
    """By node."""

    def older_than_deployed(self) -> list[Handshake]:
        """Return the handshakes that began after their node had published a later certificate than they got."""
        places = {served.serial_number: place for place, served in enumerate(self.history)}
        return [
            handshake
            for handshake in self.report.handshakes
            if places[handshake.serial_number] < self._place_published(handshake)
        ]

    def _place_published(self, handshake: Handshake) -> int:
        """Return the place in the history that the node had published when *handshake* began."""
        versions = [fact.data["version"] for fact in self.deployed[handshake.node] if fact.at < handshake.at]
        version = max(versions, default=0)
        return max((place for place, served in enumerate(self.history) if served.version <= version), default=0)


class Shop:
    """A domain with an automatic certificate, whose customer attaches certificates of their own now and then."""

    def __init__(self, platform: Platform, recorder: FactRecorder, nodes: Nodes) -> None:
        self.platform: Final = platform
        self.recorder: Final = recorder
        self.nodes: Final = nodes
        self.host: Final = a_host()

    async def open(self) -> Served:
        """Register the domain, and return what it serves."""
        await self.platform.point_here(self.host)
        await self.platform.publisher.bare("domain.created", self.platform.domain(self.host))
        ready = await self.recorder.fact("certificate.ready", lambda data: self._version_in(data) > 0)
        await self.platform.served(self.host)
        return Served(serial_number=ready.data["serial_number"], version=self._version_in(ready.data))

    async def attach_with_upload(self) -> Served:
        """Upload a certificate with a request to attach it."""
        issued = OURS.issue(self.host)
        data = self.platform.uploader.upload(issued, attach=[self.host])
        await self.platform.publisher.bare(UPLOADED, data)
        ready = await self._ready(data["certificate_id"])
        return await self._deployed(serial_number(issued), self._version_in(ready.data))

    async def attach_later(self) -> Served:
        """Upload a certificate, and then attach it."""
        issued = OURS.issue(self.host)
        data = self.platform.uploader.upload(issued)
        await self.platform.publisher.bare(UPLOADED, data)
        await self._ready(data["certificate_id"])
        return await self._update(serial_number(issued), data["certificate_id"])

    async def renew(self) -> str:
        """Have the automatic certificate replaced, which is not served now; return the new one's serial number."""
        known = self._version_of_newest()
        await self.platform.publisher.bare("certificate.renewal_requested", {"domain": self.host})
        ready = await self.recorder.fact(
            "certificate.ready", lambda data: data["source"] == "automatic" and self._version_in(data) > known
        )
        return str(ready.data["serial_number"])

    async def detach(self, automatic: str) -> Served:
        """Detach the certificate, so that the automatic one, with the serial number *automatic*, is served."""
        return await self._update(automatic, None)

    async def _update(self, serial: str, certificate_id: str | None) -> Served:
        known = self._version_of_newest()
        await self.platform.publisher.bare(
            "domain.updated", {"domain": self.host, "attached_certificate_id": certificate_id}
        )
        changed = await self.recorder.fact(
            "domain.changed", lambda data: data["domain"] == self.host and data["version"] > known
        )
        return await self._deployed(serial, changed.data["version"])

    async def _deployed(self, serial: str, version: int) -> Served:
        for node in self.nodes:
            await self.recorder.deployment(self.host, node.name, after=version - 1)
        await asyncio.sleep(STAY_SECONDS)
        return Served(serial_number=serial, version=version)

    async def _ready(self, certificate_id: str) -> Fact:
        return await self.recorder.fact("certificate.ready", lambda data: data["certificate_id"] == certificate_id)

    def _version_in(self, ready: dict[str, object]) -> int:
        items = ready["domains"]
        assert isinstance(items, list)
        return max((int(item["version"]) for item in items if item["domain"] == self.host), default=0)

    def _version_of_newest(self) -> int:
        ready = [self._version_in(fact.data) for fact in self.recorder.all_of("certificate.ready")]
        changed: list[int] = [
            fact.data["version"] for fact in self.recorder.all_of("domain.changed") if fact.data["domain"] == self.host
        ]
        return max(ready + changed)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[SHORT, LONG], ids="{} rounds".format)
async def changed(request: pytest.FixtureRequest, platform: Platform, nodes: Nodes, recorder: FactRecorder) -> Changed:
    shop = Shop(platform, recorder, nodes)
    history = [await shop.open()]
    async with load_on(platform, shop.host, nodes, staying=STAYING, rate=RATE, trusting=OURS.roots_pem) as load:
        for number in range(request.param):
            history.append(await (shop.attach_later() if number % 2 else shop.attach_with_upload()))
            history.append(await shop.detach(await shop.renew()))
        report = await load.stop()
    deployments = [fact for fact in recorder.all_of("certificate.deployed") if fact.data["domain"] == shop.host]
    return Changed(
        report=report,
        history=history,
        deployed={node.name: [fact for fact in deployments if fact.data["node"] == node.name] for node in nodes},
    )


async def test_no_connection_fails(changed: Changed) -> None:
    assert changed.report.failures == ()


async def test_the_load_is_as_planned(changed: Changed, capsys: pytest.CaptureFixture[str]) -> None:
    report = changed.report

    with capsys.disabled():
        sys.stdout.write(f"{len(changed.history) - 1} changes between attached and automatic under {report}\n")

    assert {handshake.tls_version for handshake in report.handshakes} == {"TLSv1.2", "TLSv1.3"}
    assert any(handshake.is_resumed for handshake in report.handshakes)
    assert report.rate >= LEAST or report.idle < BUSY


async def test_every_node_showed_every_attached_and_every_automatic_certificate(changed: Changed) -> None:
    shown = {(handshake.node, handshake.serial_number) for handshake in changed.report.handshakes}

    assert shown == {(node, served.serial_number) for node in changed.deployed for served in changed.history}


async def test_after_a_node_has_published_a_change_no_handshake_shows_an_earlier_certificate(changed: Changed) -> None:
    assert changed.older_than_deployed() == []


async def test_the_automatic_certificate_takes_over_at_the_instant_that_the_attached_one_ends(
    platform: Platform, nodes: Nodes, recorder: FactRecorder
) -> None:
    shop = Shop(platform, recorder, nodes)
    automatic = await shop.open()
    issued = OURS.issue(shop.host, days=15 / DAY_SECONDS)
    data = platform.uploader.upload(issued, attach=[shop.host])
    await platform.publisher.bare(UPLOADED, data)
    visitor = Visitor(platform.roots + OURS.roots_pem)
    ends_at = issued.leaf.not_valid_after_utc
    seen: list[tuple[datetime, datetime, str]] = []

    await recorder.deployment(shop.host, nodes[0].name, after=automatic.version)
    while (began_at := datetime.now(UTC)) < ends_at + timedelta(seconds=2) or seen[-1][0] < ends_at:
        try:
            visit: Visit = await visitor.visit(shop.host, address=nodes[0].address, port=nodes[0].https_port)
        except ssl.SSLCertVerificationError:
            assert began_at < ends_at <= datetime.now(UTC), "a valid certificate was not accepted"
            continue
        seen.append((began_at, datetime.now(UTC), f"{visit.certificate.serial_number:x}"))

    assert {serial for _, ended_at, serial in seen if ended_at < ends_at} == {serial_number(issued)}
    assert {serial for began_at, _, serial in seen if began_at >= ends_at} == {automatic.serial_number}
