"""Two terminators during an outage: database, CA and broker become unavailable, and come back one after the other.

Before, both nodes know `known`; `unseen` has a certificate too, and the second node was never asked for it; a new
certificate for `known` is on its way. The broker comes back last: changes are found without its hints.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dev.platform.platform import Platform
from dev.platform.service import Node, Page
from dev.servers.faults import Endpoint, HoldAnswer
from dev.waiting import Watch, finished, until
from tests.rig.strangers import first_words

VISITS: Final = 10  # of each node: the kernel says of which worker


class Away(StrEnum):
    """How servers become unavailable."""

    STOPPED = "stopped"
    """Connections are refused."""
    FROZEN = "frozen"
    """Connections stay open, and new ones are accepted, but nothing is ever answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How both nodes answer visitors while all servers are down."""

    shown: frozenset[int]
    """The serial numbers of the certificates that they show for `known` to visitors that verify them."""
    refusals: frozenset[bytes]
    """What they answer, byte for byte, to a ClientHello for a name that they do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The observations during the outage and after it."""

    first: int
    """The serial number of the certificate for `known` before the outage."""
    while_away: Look
    after_kill: Look
    """After all workers of the first node were killed, with all servers still down."""
    live: tuple[Page, ...]
    ready: tuple[Page, ...]
    """The `/live` and `/ready` pages of the nodes and the provisioner while all servers were down."""
    seconds_until_unseen: float
    """From when the database was back until the second node served what it had refused."""
    seconds_until_found: float
    """From when the new certificate was stored until both nodes showed it; the broker was still down."""
    published_by: frozenset[str]
    """The nodes that published its deployment when the broker was back."""
    ready_again: tuple[Page, ...]


class Alone:
    """Runs the outage on a platform with a provisioner and two nodes."""

    def __init__(self, platform: Platform, nodes: tuple[Node, Node], away: Away) -> None:
        self._platform: Final = platform
        self._nodes: Final = nodes
        self._away: Final = away
        self._known, self._unseen, self._unknown = (
            f"{name}-{secrets.token_hex(4)}.example.com" for name in ("known", "unseen", "unknown")
        )

    async def happen(self) -> Story:
        """Run the outage and return the observations."""
        first = await self._begin()
        await self._renew()
        async with self._all_away() as back:
            while_away = await self._look()
            live, ready = await self._pages("live"), await self._missing_pages()
            await self._kill_workers(self._nodes[0])
            after_kill = await self._look()
            await back.database()
            seconds_until_unseen = await self._until_unseen()
            await back.authority()
            certificate_id, seconds_until_found = await self._until_found(first)
        return Story(
            first=first,
            while_away=while_away,
            after_kill=after_kill,
            live=live,
            ready=ready,
            seconds_until_unseen=seconds_until_unseen,
            seconds_until_found=seconds_until_found,
            published_by=await self._published_by(certificate_id),
            ready_again=await self._ready_again(),
        )

    async def _begin(self) -> int:
        """Have `known` served by both nodes and `unseen` by the first; return the serial number of the first."""
        platform = self._platform
        await platform.point_here(self._known, self._unseen)
        for host in (self._known, self._unseen):
            await platform.publisher.bare("domain.created", platform.domain(host))
        await platform.served(self._unseen, by=self._nodes[:1])
        visit = await platform.served(self._known)
        return visit.certificate.serial_number

    async def _renew(self) -> None:
        """Let the CA issue a new certificate for `known`, and hold back its answer."""
        held = HoldAnswer()
        self._platform.gate.inject(Endpoint.FINALIZE, held)
        await self._platform.publisher.bare("certificate.renewal_requested", {"domain": self._known})
        await finished(held.reached.wait(), "the CA to be asked")

    @asynccontextmanager
    async def _all_away(self) -> AsyncIterator["Back"]:
        """Stop or freeze all servers for the length of the block, and bring all of them back at its end."""
        back = Back(self._platform, self._away)
        await back.take_away()
        try:
            yield back
        finally:
            await back.everything()

    async def _look(self) -> Look:
        visits = [self._platform.visit(self._known, node) for node in self._nodes for _ in range(VISITS)]
        asked = ((self._unseen, self._nodes[1]), *((self._unknown, node) for node in self._nodes))
        refusals = await asyncio.gather(*(first_words(host, node) for host, node in asked))
        return Look(
            shown=frozenset(visit.certificate.serial_number for visit in await asyncio.gather(*visits)),
            refusals=frozenset(refusals),
        )

    async def _pages(self, name: str) -> tuple[Page, ...]:
        return tuple(await asyncio.gather(*(service.page(name) for service in self._platform.services.values())))

    async def _missing_pages(self) -> tuple[Page, ...]:
        """Return the answers of `/ready` once all services have noticed the outage, by heartbeats if servers hang."""
        pages: tuple[Page, ...] = ()

        async def have_noticed() -> bool:
            nonlocal pages
            pages = await self._pages("ready")
            return all("database: " in page.text and "broker: " in page.text for page in pages)

        await until(have_noticed, lambda: f"everybody to miss both; {pages}")
        return pages

    async def _kill_workers(self, node: Node) -> None:
        """Kill all workers of *node*; return when they are gone, whether or not there are others yet."""
        killed = node.children()
        for pid in killed:
            node.kill_worker(pid)

        async def are_gone() -> bool:
            return not set(killed).intersection(node.children())

        await until(are_gone, "the killed workers to be gone")

    async def _until_unseen(self) -> float:
        async with Watch().running() as watch:
            await self._platform.served(self._unseen, by=self._nodes[1:])
        return watch.seconds

    async def _until_found(self, first: int) -> tuple[str, float]:
        """Return the id of the new certificate, and how long it took from the store to the visitors."""
        platform = self._platform

        async def is_stored() -> str | None:
            orders = await platform.ledger.orders(self._known)
            return orders[-1]["certificate_id"] if len(orders) > 1 else None

        certificate_id = await until(is_stored, "the new certificate to be stored")

        async def is_shown() -> bool:
            visits = await asyncio.gather(*(platform.visit(self._known, node) for node in self._nodes))
            return first not in {visit.certificate.serial_number for visit in visits}

        async with Watch().running() as watch:
            await until(is_shown, "both nodes to show the new certificate")
        assert certificate_id is not None
        return certificate_id, watch.seconds

    async def _published_by(self, certificate_id: str) -> frozenset[str]:
        """Return the nodes that have published the deployment, as soon as all have."""
        published_by: set[str] = set()

        async def have_all() -> bool:
            for kind, data in await self._platform.ledger.new_facts():
                if kind == "certificate.deployed" and data["certificate_id"] == certificate_id:
                    published_by.add(data["node"])
            return len(published_by) == len(self._nodes)

        await until(have_all, lambda: f"both nodes to publish {certificate_id}; {published_by} did")
        return frozenset(published_by)

    async def _ready_again(self) -> tuple[Page, ...]:
        await asyncio.gather(*(service.ready() for service in self._platform.services.values()))
        return await self._pages("ready")


class Back:
    """Stops or freezes the servers, and brings them back one by one."""

    def __init__(self, platform: Platform, away: Away) -> None:
        self._platform: Final = platform
        self._away: Final = away
        self._gone: Final[list[str]] = []

    async def take_away(self) -> None:
        """Stop or freeze all servers, the database first, so that no work in progress can finish."""
        platform = self._platform
        self._gone.extend(["database", "authority", "broker"])
        if self._away is Away.FROZEN:
            for server in (platform.database, platform.pebble, platform.broker):
                server.freeze()
            return
        await platform.database.stop()
        await platform.gate.close()
        await platform.broker.stop()

    async def database(self) -> None:
        """Bring it back."""
        if self._is_gone("database"):
            if self._away is Away.FROZEN:
                self._platform.database.thaw()
            else:
                await self._platform.database.resume()

    async def authority(self) -> None:
        """Bring it back."""
        if self._is_gone("authority"):
            if self._away is Away.FROZEN:
                self._platform.pebble.thaw()
            else:
                await self._platform.gate.open()

    async def broker(self) -> None:
        """Bring it back."""
        if self._is_gone("broker"):
            if self._away is Away.FROZEN:
                self._platform.broker.thaw()
            else:
                await self._platform.broker.resume()

    async def everything(self) -> None:
        """Bring all of it back."""
        await self.database()
        await self.authority()
        await self.broker()

    def _is_gone(self, what: str) -> bool:
        """Return whether *what* is down, and mark it as back."""
        if what not in self._gone:
            return False
        self._gone.remove(what)
        return True
