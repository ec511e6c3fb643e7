"""Services start in any order, also before broker, database and schema exist, and report what they wait for."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from dev.platform.platform import Platform
from dev.platform.servers import PlatformServers
from dev.platform.service import Service
from dev.servers import PostgreSQL, RabbitMQ
from dev.waiting import Watch, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]


async def are_missing(services: Sequence[Service], *only: str, at_least: str = "") -> bool:
    """Return whether all *services* are live, and `/ready` of each names exactly *only* or includes *at_least*."""
    try:
        lives = [await service.page("live") for service in services]
        readies = [await service.page("ready") for service in services]
    except aiohttp.ClientConnectionError:  # one of them does not listen yet
        return False
    assert {page.status for page in lives} == {200}
    missed = [
        {line.partition(":")[0] for line in page.text.splitlines()} if page.status != 200 else set[str]()
        for page in readies
    ]
    return all(at_least in each if at_least else each == set(only) for each in missed)


@asynccontextmanager
async def stopped(*servers: RabbitMQ | PostgreSQL) -> AsyncIterator[None]:
    """Stop *servers*; those that are not back at the end of the block come back then."""
    await asyncio.gather(*(server.stop() for server in servers))
    try:
        yield
    finally:
        for server in servers:
            if server.program.returncode is not None:
                await server.resume()


async def becomes_served(platform: Platform) -> None:
    """Return when a new domain has become served."""
    host = f"late-{secrets.token_hex(4)}.example.com"
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host))
    await platform.served(host)


@pytest.mark.parametrize(
    ("first", "second"), [("broker", "database"), pytest.param("database", "broker", marks=pytest.mark.soak)]
)
async def test_services_wait_for_servers_that_come_later(servers: PlatformServers, first: str, second: str) -> None:
    async with Platform.on(servers, f"before-{first}") as platform, stopped(platform.broker, platform.database):
        missing = {"broker": platform.broker, "database": platform.database}
        services = platform.provisioner(), platform.terminator()
        for service in services:
            await service.start()
        await until(lambda: are_missing(services, at_least="database"), "services to report their servers as missing")

        await missing[first].resume()
        await until(lambda: are_missing(services, second), f"services to report only their {second} as missing")
        await missing[second].resume()
        await until(lambda: are_missing(services), "services to be ready")

        await becomes_served(platform)


async def test_services_wait_for_their_schema_and_their_logins(servers: PlatformServers) -> None:
    async with Platform.on(servers, "before-migrate", is_migrated=False) as platform:
        services = platform.provisioner(), platform.terminator()
        for service in services:
            await service.start()
        await until(lambda: are_missing(services, at_least="database"), "services to report their schema as missing")

        await platform.migrate()
        await until(lambda: are_missing(services), "services to be ready")

        await becomes_served(platform)


async def test_a_service_that_still_waits_for_the_database_stops_at_once(servers: PlatformServers) -> None:
    async with Platform.on(servers, "waiting-database", is_migrated=False) as platform:
        services = platform.provisioner(), platform.terminator()
        for service in services:
            await service.start()
        await until(lambda: are_missing(services, at_least="database"), "services to report their schema as missing")

        assert await seconds_to_stop(services) < 5


async def test_a_service_that_still_waits_for_the_broker_stops_at_once(servers: PlatformServers) -> None:
    async with Platform.on(servers, "waiting-broker") as platform, stopped(platform.broker):
        services = platform.provisioner(), platform.terminator()
        for service in services:
            await service.start()
        await until(lambda: are_missing(services, "broker"), "services to report only their broker as missing")

        assert await seconds_to_stop(services) < 5


async def seconds_to_stop(services: Sequence[Service]) -> float:
    """Stop *services*; return how many seconds that took."""
    async with Watch().running() as watch:
        assert await asyncio.gather(*(service.stop() for service in services)) == [0, 0]
    return watch.seconds
