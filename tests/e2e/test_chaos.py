"""Domains in flight, kills, and the end of a server: afterwards everything is as if nothing had happened.

`make soak` kills more often, and more domains are in flight.
"""

import pytest

from tests.rig.chaos.domain_invariants import harm_done
from tests.rig.chaos.domains import Campaign, Chaos, ServerFault

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]

SHORT = Campaign(seed=7, faults=(ServerFault.BROKER_KILL, ServerFault.DATABASE_STOP), kills=8, in_flight=20)
LONG = (
    Campaign(seed=1, faults=(ServerFault.BROKER_RESTART,)),
    Campaign(seed=2, faults=(ServerFault.BROKER_KILL,)),
    Campaign(seed=3, faults=(ServerFault.DATABASE_STOP,)),
)
CAMPAIGNS = (SHORT, *(pytest.param(campaign, marks=pytest.mark.soak) for campaign in LONG))


@pytest.mark.parametrize("chaos", CAMPAIGNS, indirect=True, ids=str)
async def test_whatever_is_killed_every_domain_gets_one_certificate_and_nothing_is_left_undone(chaos: Chaos) -> None:
    await chaos.run()
    await chaos.settle()

    known = [kill.in_flight for kill in chaos.kills if kill.in_flight is not None]
    assert len(chaos.kills) == chaos.campaign.kills
    assert min(known) > chaos.campaign.in_flight / 2
    assert await harm_done(chaos.platform, chaos.hosts) == []
