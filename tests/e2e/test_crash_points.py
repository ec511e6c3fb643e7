"""A provisioner is killed at the worst moments; the next one takes over, and nothing is lost or done twice.

The crashes happen side by side, each on a platform of its own: most of the time is spent waiting for leases to expire.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from dev.platform.servers import PlatformServers
from tests.rig.chaos.crash_points import PLANS, Crash

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crashes(servers: PlatformServers) -> AsyncIterator[Mapping[str, Crash]]:
    """Yield all crashes, which happen in the background."""
    started = {name: Crash(plan, servers) for name, plan in PLANS.items()}
    yield started
    await asyncio.gather(*(crash.end() for crash in started.values()))


@pytest.fixture
def crash(request: pytest.FixtureRequest, crashes: Mapping[str, Crash]) -> Crash:
    """Return the crash that the test names."""
    return crashes[request.param]


@pytest.mark.parametrize("crash", PLANS, indirect=True)
async def test_a_kill_leaves_one_served_certificate_and_nothing_undone(crash: Crash) -> None:
    after = await crash.aftermath()

    assert after.order_states == ["issued"]
    assert after.certificates_by_ca == 1
    assert after.served_names == [f"{crash.name}.example.com"]


@pytest.mark.parametrize("crash", [name for name, plan in PLANS.items() if plan.lists_orders], indirect=True)
async def test_a_kill_leaves_one_order_at_the_ca(crash: Crash) -> None:
    after = await crash.aftermath()

    assert after.orders_at_ca == 1


@pytest.mark.parametrize("crash", ["new-order-unlisted"], indirect=True)
async def test_where_the_ca_lists_no_orders_a_lost_answer_leaves_an_unused_order(crash: Crash) -> None:
    after = await crash.aftermath()

    assert after.orders_at_ca == 2


@pytest.mark.parametrize("crash", [name for name in PLANS if name != "after-publish"], indirect=True)
async def test_a_kill_lets_the_certificate_be_published_once(crash: Crash) -> None:
    after = await crash.aftermath()

    assert len(after.published_ready) == 1


@pytest.mark.parametrize("crash", ["after-publish"], indirect=True)
async def test_a_kill_before_the_row_is_deleted_lets_the_same_certificate_be_published_twice(crash: Crash) -> None:
    after = await crash.aftermath()

    assert len(after.published_ready) == 2
    assert len(set(after.published_ready)) == 1
