"""A certificate is replaced again and again under load, and no connection fails or gets an older one."""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio
from cryptography import x509

from dev.platform.platform import Platform
from dev.platform.service import Node
from dev.waiting import until
from tests.rig.fact_recorder import Fact, FactRecorder, recording_facts
from tests.rig.load.visitors import RATE, STAYING, Handshake, Report, load_on
from tests.rig.strangers import shown

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT, LONG = 10, pytest.param(50, marks=pytest.mark.soak)
PACE: Final = 0.95 * RATE  # on average
BUSY: Final = 0.1  # a machine with less idle time than this cannot do more

Nodes = tuple[Node, Node]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(platform: Platform) -> Nodes:
    # Long enough that a stale cache entry would last for the whole test.
    patient = {"TERMINATOR_UNKNOWN_SECONDS": "600", "TERMINATOR_POLL_SECONDS": "600"}
    first, second = (platform.terminator(f"node-{number}", node=number, **patient) for number in range(2))
    await platform.run(platform.provisioner(), first, second)
    return first, second


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorder(platform: Platform) -> AsyncIterator[FactRecorder]:
    async with recording_facts(platform.logins.administrator_amqp_url) as facts:
        yield facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The facts about a domain whose certificate was replaced *times* times, and what its visitors saw."""

    times: int
    report: Report
    versions: dict[str, int]
    """By serial number, in the order in which they came; the first is that of the certificate before the load."""
    deployed: dict[str, list[Fact]]
    """By node."""

    def older_than_deployed(self) -> list[Handshake]:
        """Return the handshakes that began after their node had published a newer certificate than they got."""
        return [
            handshake
            for handshake in self.report.handshakes
            if self.versions[handshake.serial_number]
            < max((fact.data["version"] for fact in self.deployed[handshake.node] if fact.at < handshake.at), default=0)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The certificate that a visitor was shown, in a handshake that began *at*."""

    node: str
    at: float
    is_served: bool
    """Whether it was the domain's certificate, not the default one."""


async def all_have(times: int, seen: Sequence[Seen], nodes: Sequence[Node], *, since: float) -> bool:
    """Return whether each of *nodes* was asked at least *times* times since then."""
    return all(sum(each.node == node.name and each.at > since for each in seen) >= times for node in nodes)


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


def versions_of(host: str, recorder: FactRecorder) -> dict[str, int]:
    """Return at which version each certificate of *host* came, by serial number."""
    ready = [fact.data for fact in recorder.all_of("certificate.ready")]
    return {
        data["serial_number"]: item["version"] for data in ready for item in data["domains"] if item["domain"] == host
    }


async def replace(platform: Platform, recorder: FactRecorder, host: str, nodes: Sequence[Node]) -> None:
    """Replace the certificate of *host*; return when all *nodes* have published that they serve the new one."""
    before = max(versions_of(host, recorder).values())
    await platform.publisher.bare("certificate.renewal_requested", {"domain": host})
    for node in nodes:
        await recorder.deployment(host, node.name, after=before)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[SHORT, LONG], ids="{} times".format)
async def replaced(
    request: pytest.FixtureRequest, platform: Platform, nodes: Nodes, recorder: FactRecorder
) -> Replaced:
    times: int = request.param
    host = a_host()
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host))
    await platform.served(host)
    async with load_on(platform, host, nodes) as load:
        for _ in range(times):
            await replace(platform, recorder, host, nodes)
        report = await load.stop()
    deployments = [fact for fact in recorder.all_of("certificate.deployed") if fact.data["domain"] == host]
    return Replaced(
        times=times,
        report=report,
        versions=versions_of(host, recorder),
        deployed={node.name: [fact for fact in deployments if fact.data["node"] == node.name] for node in nodes},
    )


async def test_no_connection_fails(replaced: Replaced) -> None:
    assert replaced.report.failures == ()


async def test_the_load_is_as_planned(replaced: Replaced, capsys: pytest.CaptureFixture[str]) -> None:
    report = replaced.report

    with capsys.disabled():
        sys.stdout.write(f"{replaced.times} certificates replaced under {report}\n")

    assert len(report.lines) == STAYING
    assert min(report.lines) > 1
    assert {handshake.tls_version for handshake in report.handshakes} == {"TLSv1.2", "TLSv1.3"}
    assert any(handshake.is_resumed for handshake in report.handshakes)
    assert report.rate >= PACE or report.idle < BUSY


async def test_after_a_node_has_published_a_change_no_handshake_shows_an_older_certificate(replaced: Replaced) -> None:
    assert replaced.older_than_deployed() == []


async def test_each_node_publishes_each_version_once_and_in_order(replaced: Replaced) -> None:
    _, *versions = replaced.versions.values()

    deployed = [[fact.data["version"] for fact in facts] for facts in replaced.deployed.values()]

    assert len(versions) == replaced.times
    assert [each[-replaced.times :] for each in deployed] == [versions, versions]
    assert [sorted(set(each)) for each in deployed] == deployed


async def test_a_name_asked_for_before_it_is_registered_is_served_by_each_node_that_says_so(
    platform: Platform, nodes: Nodes, recorder: FactRecorder
) -> None:
    host = a_host()
    await platform.point_here(host)
    seen: list[Seen] = []

    async def ask(node: Node) -> None:
        while True:
            began_at = time.monotonic()
            leaf = await shown(host, node)
            issuer = x509.load_der_x509_certificate(leaf).issuer.rfc4514_string()
            seen.append(Seen(node=node.name, at=began_at, is_served="Pebble" in issuer))

    asking = [asyncio.create_task(ask(node)) for node in nodes for _ in range(2)]
    await until(lambda: all_have(20, seen, nodes, since=0.0), "strangers to have asked")
    await platform.publisher.bare("domain.created", platform.domain(host))
    deployed = {node.name: (await recorder.deployment(host, node.name)).at for node in nodes}
    await until(lambda: all_have(20, seen, nodes, since=max(deployed.values())), "strangers to have asked again")
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)

    assert not any(each.is_served for each in seen[:40])
    assert [each for each in seen if each.at > deployed[each.node] and not each.is_served] == []
