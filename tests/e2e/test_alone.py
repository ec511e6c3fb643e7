"""Without database, CA and broker, terminators serve what they have, refuse other names, and catch up afterwards."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio
from cryptography import x509

from dev.platform.platform import Platform
from dev.platform.servers import PlatformServers
from dev.platform.service import Node
from dev.waiting import until
from tests.rig.cuttable_links import Wire, wire_to
from tests.rig.outages import Alone, Away, Story
from tests.rig.strangers import INTERNAL_ERROR, shown

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[Away.STOPPED, pytest.param(Away.FROZEN, marks=pytest.mark.soak)]
)
async def story(request: pytest.FixtureRequest, servers: PlatformServers) -> AsyncIterator[Story]:
    away: Away = request.param
    # Long enough that a stale cache entry would last for the whole test.
    settings = {"TERMINATOR_POLL_SECONDS": "1", "TERMINATOR_UNKNOWN_SECONDS": "600"}
    async with Platform.on(servers, away) as platform:
        first, second = (platform.terminator(f"node-{number}", node=number, **settings) for number in range(2))
        await platform.run(platform.provisioner(), first, second)
        yield await Alone(platform, (first, second), away).happen()


async def test_certificates_that_the_nodes_have_are_still_served(story: Story) -> None:
    assert story.while_away.shown == {story.first}


async def test_names_that_the_nodes_do_not_have_are_refused_with_internal_error(story: Story) -> None:
    assert story.while_away.refusals == {INTERNAL_ERROR}


async def test_new_workers_serve_what_their_node_has_and_refuse_other_names(story: Story) -> None:
    assert story.after_kill == story.while_away


async def test_the_processes_are_alive_and_report_which_servers_are_missing(story: Story) -> None:
    assert {page.status for page in story.live} == {200}
    assert {page.status for page in story.ready} == {503}
    for page in story.ready:
        assert {line.split(":")[0] for line in page.text.splitlines()} == {"database", "broker"}


async def test_a_refusal_is_not_remembered(story: Story) -> None:
    assert story.seconds_until_unseen < 20


async def test_a_certificate_whose_hint_was_lost_is_found(story: Story) -> None:
    assert story.seconds_until_found < 20


async def test_when_all_servers_are_back_the_deployment_is_published_and_all_services_are_ready(story: Story) -> None:
    assert story.published_by == {"node-0", "node-1"}
    assert {page.status for page in story.ready_again} == {200}


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """A node whose connections can be cut, and a second node whose connections cannot."""

    platform: Platform
    near: Node
    far: Node
    broker: Wire
    database: Wire
    replaced: str
    """A domain that both serve; it gets a new certificate while the connections are cut."""
    deleted: str
    """A domain that both serve; it is deleted while the connections are cut."""

    async def serial_number(self) -> int:
        """Return the serial number of the certificate that the far node shows for `replaced`."""
        return (await self.platform.visit(self.replaced, self.far)).certificate.serial_number

    async def change_while_cut(self) -> int:
        """Cut the connections and change both domains; return the serial number of the new certificate."""
        await asyncio.gather(self.broker.cut(), self.database.cut())
        before = await self.serial_number()
        await self.platform.publisher.bare("certificate.renewal_requested", {"domain": self.replaced})
        await self.platform.publisher.bare("domain.deleted", {"domain": self.deleted})

        async def is_changed() -> int | None:
            visit = await self.platform.visit(self.replaced, self.near)
            serial_number = visit.certificate.serial_number
            return None if serial_number == before or await is_served(self.deleted, self.near) else serial_number

        changed_to = await until(is_changed, "the near node to show both changes")
        assert await self.serial_number() == before
        assert await is_served(self.deleted, self.far)
        assert changed_to is not None
        return changed_to

    async def reconnect(self, name: str) -> None:
        """Restore the way to the broker or the database; return when the far node reports it as present."""
        await {"broker": self.broker, "database": self.database}[name].restore()

        async def is_noticed() -> bool:
            return f"{name}: " not in (await self.far.page("ready")).text

        await until(is_noticed, f"the far node to have its {name}")

    async def has_caught_up(self, serial_number: int) -> bool:
        """Return whether the far node shows both changes."""
        return await self.serial_number() == serial_number and not await is_served(self.deleted, self.far)


async def is_served(host: str, node: Node) -> bool:
    """Return whether *node* shows the certificate of *host*, not the default one."""
    return "Pebble" in x509.load_der_x509_certificate(await shown(host, node)).issuer.rfc4514_string()


@asynccontextmanager
async def far_node(servers: PlatformServers, name: str, **settings: str) -> AsyncIterator[Far]:
    """Yield a platform called *name*; its second node, with *settings*, has connections that can be cut."""
    async with (
        Platform.on(servers, name) as platform,
        wire_to(platform.logins.amqp_url("terminator")) as broker,
        wire_to(platform.logins.database_url("terminator")) as database,
    ):
        urls = {"TERMINATOR_AMQP_URL": broker.url, "TERMINATOR_DATABASE_URL": database.url}
        near, far = platform.terminator("near"), platform.terminator("far", node=1, **urls, **settings)
        await platform.run(platform.provisioner(), near, far)
        hosts = [f"{what}-{secrets.token_hex(4)}.example.com" for what in ("replaced", "deleted")]
        await platform.point_here(*hosts)
        for host in hosts:
            await platform.publisher.bare("domain.created", platform.domain(host))
            await platform.served(host)
        yield Far(
            platform=platform,
            near=near,
            far=far,
            broker=broker,
            database=database,
            replaced=hosts[0],
            deleted=hosts[1],
        )


async def test_the_poll_finds_changes_made_during_an_outage_before_the_broker_is_back(
    servers: PlatformServers,
) -> None:
    async with far_node(servers, "polling", TERMINATOR_POLL_SECONDS="1") as here:
        serial_number = await here.change_while_cut()

        await here.reconnect("database")

        await until(lambda: here.has_caught_up(serial_number), "the far node to catch up")
        assert (await here.far.page("ready")).text.startswith("broker: ")


@pytest.mark.parametrize(("first", "second"), [("database", "broker"), ("broker", "database")])
async def test_a_node_that_reconnects_finds_changes_without_waiting_for_the_poll(
    servers: PlatformServers, first: str, second: str
) -> None:
    async with far_node(servers, f"{first}-first", TERMINATOR_POLL_SECONDS="600") as here:
        serial_number = await here.change_while_cut()

        await here.reconnect(first)
        await here.reconnect(second)

        await until(lambda: here.has_caught_up(serial_number), "the far node to catch up")
