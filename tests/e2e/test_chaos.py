"""Sixty domains in flight, twenty kills, and one server's end: at the end everything is as if nothing had happened."""

import sys
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.chaos import Blow, Campaign, Chaos
from tests.e2e.ground import Ground
from tests.e2e.platform import Platform

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(420)]

CAMPAIGNS = (
    Campaign(seed=1, blow=Blow.BROKER_RESTART),
    Campaign(seed=2, blow=Blow.BROKER_KILL),
    Campaign(seed=3, blow=Blow.DATABASE_STOP),
)


@pytest_asyncio.fixture(loop_scope="module")
async def chaos(
    request: pytest.FixtureRequest, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Chaos]:
    """Yield the campaign that the test names, on a platform of its own."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    campaign: Campaign = request.param
    async with Platform.on(ground, f"seed-{campaign.seed}") as platform:
        yield Chaos(platform, campaign, say)


@pytest.mark.parametrize("chaos", CAMPAIGNS, indirect=True, ids=lambda each: f"seed {each.seed}, {each.blow}")
async def test_whatever_is_killed_every_domain_gets_one_certificate_and_nothing_is_left_undone(chaos: Chaos) -> None:
    await chaos.rage()
    await chaos.calm()

    issued = await chaos.platform.pebble.issued_certificates()
    orders = [(host, await chaos.platform.ledger.orders(host)) for host in chaos.hosts]
    told = Counter(
        (data["domains"][0]["domain"], data["certificate_id"])
        for kind, data in await chaos.platform.ledger.facts()
        if kind == "certificate.ready"
    )
    assert len(chaos.kills) == chaos.campaign.kills
    assert min(kill.in_flight for kill in chaos.kills if kill.in_flight is not None) > chaos.campaign.in_flight / 2
    assert {host: issued[host] for host in chaos.hosts} == dict.fromkeys(chaos.hosts, 1)
    assert [host for host, rows in orders if [row["state"] for row in rows] != ["issued"]] == []
    assert sorted(told) == sorted((host, rows[0]["certificate_id"]) for host, rows in orders)
