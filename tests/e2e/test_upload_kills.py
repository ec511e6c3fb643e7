"""Twenty kills of validators and judges while uploads flow: at the end everything is as if nothing had happened.

`UPLOAD_SEEDS` names other seeds, as UPLOAD_SEEDS=17,4711.
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
from tests.rig.chaos.uploads import AT_POINTS, AT_RANDOM, KILLS, UploadChaos

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]

SEEDS = tuple(map(int, os.environ.get("UPLOAD_SEEDS", "1").split(",")))


@pytest_asyncio.fixture(loop_scope="module")
async def chaos(
    request: pytest.FixtureRequest, servers: PlatformServers, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[UploadChaos]:
    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    async with Platform.on(servers, f"seed-{request.param}") as platform:
        yield UploadChaos(platform, request.param, say)


@pytest.mark.parametrize("chaos", SEEDS, indirect=True, ids="seed {}".format)
async def test_whatever_is_killed_every_upload_is_judged_once_and_told_once(chaos: UploadChaos) -> None:
    await chaos.rage()
    await chaos.calm()

    again = await chaos.platform.ledger.value("SELECT count(*) FROM validator.uploads WHERE lease_token > 1")
    assert len(chaos.kills) == KILLS == 20
    assert len(chaos.sent) >= 60
    assert again >= 4  # so many at least were in the hands of who was killed
    assert Counter(kill.what for kill in chaos.kills) == AT_POINTS | AT_RANDOM
    assert await harm_done(chaos.platform, chaos.sent) == []
