"""From a request to a served certificate, with every service a process of its own."""

import asyncio
import secrets

import pytest
import pytest_asyncio

from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event
from tests.rig.command_line import certsmith, environment_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform) -> None:
    await platform.run(platform.provisioner("first"), platform.provisioner("second"), platform.terminator())


async def test_what_the_command_line_publishes_becomes_a_served_domain(platform: Platform) -> None:
    host = a_host()
    await platform.point_here(host)

    words = ("publish", "domain-created", host, "--upstream", platform.upstream)
    published = await certsmith(*words, environment=environment_of(platform))
    visit = await platform.served(host)

    assert published.code == 0
    assert visit.names == [host]


async def test_bare_json_from_any_client_becomes_a_served_domain(platform: Platform) -> None:
    host = a_host()
    await platform.point_here(host)

    await platform.publisher.bare("domain.created", platform.domain(host))
    visit = await platform.served(host)

    assert visit.names == [host]
    assert visit.answer == b"platform: is anybody there\n"


async def test_a_structured_cloud_event_becomes_a_served_domain(platform: Platform) -> None:
    host = a_host()
    await platform.point_here(host)

    await platform.publisher.structured(cloud_event("domain.created", platform.domain(host)))
    visit = await platform.served(host)

    assert visit.names == [host]


async def test_an_event_sent_five_times_in_five_copies_makes_one_certificate(platform: Platform) -> None:
    host = a_host()
    await platform.point_here(host)
    event = cloud_event("domain.created", platform.domain(host))
    before = platform.orders_made()

    sendings = [platform.publisher.structured(event, copies=5), platform.publisher.binary(event, copies=5)]
    await asyncio.gather(*sendings, *(platform.publisher.structured(event, copies=5) for _ in range(3)))
    await platform.served(host)
    await platform.settled()

    assert len(await platform.ledger.orders(host)) == 1
    assert platform.orders_made() == before + 1
    assert (await platform.pebble.issued_certificates())[host] == 1
