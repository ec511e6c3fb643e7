"""A provisioner dies at the worst moments; the next one takes over, and nobody can tell."""

import secrets
from pathlib import Path

import pytest
import pytest_asyncio

from dev.servers.faults import Answer, Endpoint
from tests.e2e.launchers.dying_provisioner import CrashPoint
from tests.e2e.platform import Platform
from tests.e2e.publishing import cloud_event
from tests.e2e.service import KILLED

pytestmark = pytest.mark.asyncio(loop_scope="module")

LAUNCHER = "tests.e2e.launchers.dying_provisioner"
QUICK_TAKEOVER = {"PROVISIONER_LEASE_SECONDS": "3"}


@pytest.fixture
def host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def terminator(platform: Platform) -> None:
    await platform.run(platform.terminator())


async def die_at(platform: Platform, point: CrashPoint, marker: Path) -> None:
    """Let a provisioner work until it dies at *point*; fail if it does not get there."""
    dying = platform.provisioner(
        f"dying-{secrets.token_hex(3)}",
        module=LAUNCHER,
        CRASH_POINT=point,
        CRASH_MARKER=str(marker),
        **QUICK_TAKEOVER,
    )
    await dying.start()
    assert await dying.ended() == KILLED
    assert marker.read_text() == f"{point} {dying.program.pid}"


async def take_over(platform: Platform, host: str) -> None:
    """Let a normal provisioner do the rest."""
    successor = platform.provisioner(f"successor-{secrets.token_hex(3)}", **QUICK_TAKEOVER)
    await successor.start()
    await platform.served(host)
    await platform.settled()
    assert await successor.stop() == 0


async def ready_ids(platform: Platform, host: str) -> list[str]:
    """Return the certificate's id from each `certificate.ready` that told of *host*."""
    return [
        data["certificate_id"]
        for kind, data in await platform.ledger.facts()
        if kind == "certificate.ready" and data["domains"][0]["domain"] == host
    ]


@pytest.mark.parametrize("point", CrashPoint)
async def test_a_kill_leaves_one_order_and_one_certificate(
    platform: Platform, tmp_path: Path, host: str, point: CrashPoint
) -> None:
    await platform.point_here(host)
    made_before = platform.orders_made()
    await platform.publisher.structured(cloud_event("domain.created", platform.domain(host)))

    await die_at(platform, point, tmp_path / "marker")
    await take_over(platform, host)

    told = await ready_ids(platform, host)
    assert len(told) == (2 if point is CrashPoint.AFTER_PUBLISH else 1)
    assert len(set(told)) == 1
    assert platform.orders_made() - made_before == 1
    assert [order["state"] for order in await platform.ledger.orders(host)] == ["issued"]
    assert (await platform.pebble.issued_certificates())[host] == 1


async def test_a_kill_before_the_acknowledgement_of_a_message_without_id_changes_nothing(
    platform: Platform, tmp_path: Path, host: str
) -> None:
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host))

    await die_at(platform, CrashPoint.BEFORE_ACK, tmp_path / "marker")
    await take_over(platform, host)

    assert len(await ready_ids(platform, host)) == 1
    assert [order["state"] for order in await platform.ledger.orders(host)] == ["issued"]
    assert (await platform.pebble.issued_certificates())[host] == 1


async def test_a_kill_after_new_order_at_a_ca_that_lists_none_leaves_an_unused_order_at_most(
    platform: Platform, tmp_path: Path, host: str
) -> None:
    await platform.point_here(host)
    made_before = platform.orders_made()
    account_without_list = Answer(status=200, body='{"status": "valid"}', content_type="application/json")
    await platform.publisher.structured(cloud_event("domain.created", platform.domain(host)))

    await die_at(platform, CrashPoint.AFTER_NEW_ORDER, tmp_path / "marker")
    platform.gate.inject(Endpoint.ACCOUNT, account_without_list)
    await take_over(platform, host)

    assert platform.orders_made() - made_before == 2
    assert len(await platform.ledger.orders(host)) == 1
    assert (await platform.pebble.issued_certificates())[host] == 1
