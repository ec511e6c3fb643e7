"""Chaos for `make soak`: longer, and with new seeds each time; or with those of SOAK_SEEDS, as SOAK_SEEDS=17,4711."""

import os
import secrets

import pytest

from tests.rig.chaos.domain_invariants import harm_done
from tests.rig.chaos.domains import Campaign, Chaos, ServerFault

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.soak, pytest.mark.own_servers]

GIVEN = [int(seed) for seed in os.environ.get("SOAK_SEEDS", "").split(",") if seed]
SEEDS = GIVEN or [secrets.randbelow(1_000_000) for _ in range(10)]
CAMPAIGNS = [Campaign(seed=seed, faults=tuple(ServerFault), kills=100) for seed in SEEDS]


@pytest.mark.parametrize("chaos", CAMPAIGNS, indirect=True, ids=str)
async def test_a_hundred_kills_and_every_blow_leave_nothing_undone(chaos: Chaos) -> None:
    await chaos.run()
    await chaos.settle()

    assert await harm_done(chaos.platform, chaos.hosts) == []
