"""SIGTERM during work: steps are finished, those that cannot be are left to the next process, and nothing is lost."""

import asyncio
import secrets
import signal
from collections import Counter

import pytest

from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event
from dev.platform.servers import PlatformServers
from dev.platform.service import Service
from dev.servers.faults import Endpoint, HoldAnswer
from dev.waiting import Watch, finished, until
from tests.rig.outages import Away, Back

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]

SHORT, LONG = 100, pytest.param(200, marks=pytest.mark.soak)  # events
STOPPED_BY_FORCE = 1


async def is_stopping(service: Service) -> bool:
    """Return whether *service* reports that it is stopping, and that it is alive."""
    page = await service.page("ready")
    return page.status == 503 and page.text.startswith("stopping: ") and (await service.page("live")).status == 200


@pytest.mark.parametrize("count", [SHORT, LONG])
async def test_of_many_events_with_a_stop_in_their_midst_each_is_acted_on_once(
    servers: PlatformServers, count: int
) -> None:
    async with Platform.on(servers, "midst") as platform:
        first, second = platform.provisioner("first"), platform.provisioner("second")
        await platform.run(first, platform.terminator())
        hosts = [f"shop-{number}-{secrets.token_hex(4)}.example.com" for number in range(count)]
        pointing = hosts[::10]
        await platform.point_here(*pointing)

        async def publish() -> None:
            for host in hosts:
                await platform.publisher.structured(cloud_event("domain.created", platform.domain(host)))

        registered = 0

        async def are_registered(least: int = count) -> bool:
            nonlocal registered
            registered = int(await platform.ledger.value("SELECT count(*) FROM registry.domains"))
            return registered >= least

        publishing = asyncio.create_task(publish())
        await until(lambda: are_registered(count // 4), lambda: f"a quarter to be registered; {registered} are")
        async with Watch().running() as watch:
            assert await first.stop() == 0
        has_published_all = not await platform.ledger.value(
            "SELECT count(*) FROM messaging.outbox WHERE service = 'provisioner'"
        )
        is_in_the_midst = not await are_registered()
        await publishing
        await second.start()
        await until(are_registered, lambda: f"all to be registered; {registered} are")
        for host in pointing:
            await platform.served(host)

        assert is_in_the_midst
        assert watch.seconds < 15
        assert has_published_all
        assert await platform.ledger.value("SELECT count(*) FROM messaging.inbox") == count
        assert await platform.ledger.value("SELECT count(*) FROM messaging.dead_letters") == 0
        assert await platform.ledger.value("SELECT count(*) FROM provisioner.orders") == count
        issued = await platform.pebble.issued_certificates()
        assert {host: issued.get(host, 0) for host in hosts} == {host: int(host in pointing) for host in hosts}
        changed = Counter(
            data["domain"] for kind, data in await platform.ledger.new_facts() if kind == "domain.changed"
        )
        assert changed == Counter(hosts)


async def test_the_current_step_of_an_order_is_finished_and_the_next_worker_goes_on(servers: PlatformServers) -> None:
    async with Platform.on(servers, "step") as platform:
        # With so long a lease, only an order that was handed back can be claimed in time.
        first, second = (platform.provisioner(name, PROVISIONER_LEASE_SECONDS="600") for name in ("first", "second"))
        await platform.run(first, platform.terminator())
        host = f"step-{secrets.token_hex(4)}.example.com"
        held = await held_order(platform, host, Endpoint.NEW_ORDER)

        stopping = asyncio.create_task(first.stop())
        await until(lambda: is_stopping(first), "the provisioner to say that it stops")
        assert not stopping.done()
        held.release.set()
        assert await stopping == 0
        await second.start()
        await platform.served(host)
        held.release.set()
        await until(lambda: has_counted(platform), "the gate to have counted")

        assert platform.orders_made() == 1
        assert (await platform.pebble.issued_certificates())[host] == 1


@pytest.mark.parametrize("endpoint", [Endpoint.NEW_ORDER, pytest.param(Endpoint.FINALIZE, marks=pytest.mark.soak)])
async def test_a_step_that_does_not_end_is_cancelled_in_time_and_claimed_again(
    servers: PlatformServers, endpoint: Endpoint
) -> None:
    async with Platform.on(servers, f"endless-{endpoint}") as platform:
        settings = {"PROVISIONER_LEASE_SECONDS": "600", "PROVISIONER_GRACE_SECONDS": "6"}
        first, second = (platform.provisioner(name, **settings) for name in ("first", "second"))
        await platform.run(first, platform.terminator())
        host = f"endless-{secrets.token_hex(4)}.example.com"
        held = await held_order(platform, host, endpoint)

        async with Watch().running() as watch:
            assert await first.stop() == 0
        assert watch.seconds < 6.5
        await second.start()
        await platform.served(host)
        held.release.set()
        await until(lambda: has_counted(platform), "the gate to have counted")

        assert platform.orders_made() == 1
        assert (await platform.pebble.issued_certificates())[host] == 1


async def test_a_second_signal_enforces_the_stop(servers: PlatformServers) -> None:
    async with Platform.on(servers, "second-signal") as platform:
        first, second = (platform.provisioner(name, PROVISIONER_GRACE_SECONDS="600") for name in ("first", "second"))
        await platform.run(first, platform.terminator())
        host = f"second-{secrets.token_hex(4)}.example.com"
        held = await held_order(platform, host, Endpoint.NEW_ORDER)

        first.send(signal.SIGTERM)
        await until(lambda: is_stopping(first), "the provisioner to say that it stops")
        first.send(signal.SIGTERM)
        assert await first.ended(5) == STOPPED_BY_FORCE
        await second.start()
        await platform.served(host)
        held.release.set()
        await until(lambda: has_counted(platform), "the gate to have counted")

        assert platform.orders_made() == 1
        assert (await platform.pebble.issued_certificates())[host] == 1


async def held_order(platform: Platform, host: str, endpoint: Endpoint) -> HoldAnswer:
    """Return the held answer of the CA to *endpoint*, in an order for *host*; the CA has done what it was asked."""
    held = HoldAnswer()
    platform.gate.inject(endpoint, held)
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host))
    await finished(held.reached.wait(), "the CA to be asked")
    return held


async def has_counted(platform: Platform) -> bool:
    """Return whether the gate has counted the order; it counts a held answer only when that is released."""
    return platform.orders_made() > 0


@pytest.mark.parametrize("away", [Away.FROZEN, pytest.param(Away.STOPPED, marks=pytest.mark.soak)])
async def test_services_stop_in_time_without_their_servers(servers: PlatformServers, away: Away) -> None:
    async with Platform.on(servers, f"stopping-{away}") as platform:
        services = (
            platform.provisioner(PROVISIONER_GRACE_SECONDS="15"),
            platform.terminator(TERMINATOR_GRACE_SECONDS="15"),
        )
        await platform.run(*services)
        host = f"left-{secrets.token_hex(4)}.example.com"
        await platform.point_here(host)
        await platform.publisher.bare("domain.created", platform.domain(host))
        await platform.served(host)
        back = Back(platform, away)
        await back.take_away()
        try:
            async with Watch().running() as watch:
                statuses = await asyncio.gather(*(service.stop() for service in services))
        finally:
            await back.everything()

    assert statuses == [0, 0]
    assert watch.seconds < 15.5
