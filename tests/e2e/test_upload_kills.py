"""Validators and sandbox processes are killed while uploads flow: afterwards everything is as if nothing had happened.

`make soak` kills more often. `UPLOAD_SEEDS` names other seeds, as UPLOAD_SEEDS=17,4711.
"""

import os
import sys
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dev.platform.platform import Platform
from dev.platform.servers import PlatformServers
from tests.rig.chaos.upload_invariants import harm_done
from tests.rig.chaos.uploads import UploadCampaign, UploadChaos

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]

SEEDS = tuple(map(int, os.environ.get("UPLOAD_SEEDS", "1").split(",")))
CAMPAIGNS = (
    *(UploadCampaign.short(seed) for seed in SEEDS),
    *(pytest.param(UploadCampaign.long(seed), marks=pytest.mark.soak) for seed in SEEDS),
)


@pytest_asyncio.fixture(loop_scope="module")
async def chaos(
    request: pytest.FixtureRequest, servers: PlatformServers, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[UploadChaos]:
    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    campaign: UploadCampaign = request.param
    async with Platform.on(servers, f"seed-{campaign.seed}") as platform:
        yield UploadChaos(platform, campaign, say)


@pytest.mark.parametrize("chaos", CAMPAIGNS, indirect=True, ids=str)
async def test_whatever_is_killed_every_upload_is_judged_and_published_once(chaos: UploadChaos) -> None:
    await chaos.run()
    await chaos.settle()

    again = await chaos.platform.ledger.value("SELECT count(*) FROM validator.uploads WHERE lease_token > 1")
    campaign = chaos.campaign
    assert len(chaos.kills) == campaign.kills
    assert len(chaos.sent) >= 3 * campaign.kills
    assert again >= campaign.kills // 5  # at least this many were being judged when a process was killed
    assert Counter(kill.what for kill in chaos.kills) == Counter(campaign.at_points) + Counter(campaign.at_random)
    assert await harm_done(chaos.platform, chaos.sent) == []
