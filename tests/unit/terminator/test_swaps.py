"""A hint causes a read, a drop and an event, in this order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dev.waiting import within
from services.terminator.control.catalogue import Catalogue
from services.terminator.control.deployments import Deployments
from services.terminator.control.offers import Offers
from services.terminator.control.swaps import Swaps
from shared.events import Cause
from shared.vault import KeyFiles
from tests.fakes.terminator_store import Issuer, MemoryStore, a_domain
from tests.rig.terminator.rotation import have_looked, turn_vault

SHOP = "shop.example.com"
WILDCARD = "*.example.com"


@dataclass(slots=True)
class RecordingCaches:
    """Records drops, and completes them when `may` is set."""

    dropped: list[str] = field(default_factory=list)
    dropped_soon: list[str] = field(default_factory=list)
    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def drop(self, domain: str) -> None:
        """Record the drop; return when `may` is set."""
        self.dropped.append(domain)
        await self.may.wait()

    def drop_soon(self, domain: str) -> None:
        """Record the drop."""
        self.dropped_soon.append(domain)


@dataclass(slots=True)
class Swapping:
    """Running swaps, with the catalogue, the caches and the store that they work on."""

    store: MemoryStore
    catalogue: Catalogue
    caches: RecordingCaches
    swaps: Swaps

    def published(self) -> list[tuple[str, str, int]]:
        """Return the published deployments."""
        return [(item.domain, item.certificate_id, item.version) for item in self.store.published]


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys")


@asynccontextmanager
async def swapping(issuer: Issuer) -> AsyncIterator[Swapping]:
    store, caches = MemoryStore(), RecordingCaches()
    catalogue = Catalogue(store, size=100, unknown_seconds=60.0, on_evicted=caches.drop_soon)
    deployments = Deployments(store)
    async with asyncio.TaskGroup() as tasks:
        chores = [tasks.create_task(catalogue.run()), tasks.create_task(deployments.run())]
        offers = Offers(issuer.reader, lambda: datetime.now(UTC))
        caches.may.set()
        swaps = Swaps(catalogue, offers, caches, deployments)
        chores.append(tasks.create_task(swaps.run()))
        await asyncio.sleep(0)
        yield Swapping(store, catalogue, caches, swaps)
        for chore in chores:
            chore.cancel()


async def all_hints_acted_on(here: Swapping, issuer: Issuer) -> None:
    """Wait until a hint that follows all others has been acted on, and forget it."""
    fence = "fence.example.org"
    here.store.put(issuer.domain(fence))
    await here.catalogue.find(fence)
    here.swaps.hint(fence)
    await settle(lambda: fence in [domain for domain, _, _ in here.published()])
    here.store.published[:] = [item for item in here.store.published if item.domain != fence]
    here.caches.dropped.remove(fence)


async def settle(holds: Callable[[], bool]) -> None:
    async with within("this step"):
        while not holds():
            await asyncio.sleep(0.001)


async def test_a_hint_about_a_name_never_asked_for_causes_no_read_and_no_event(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))

        here.swaps.hint(SHOP)
        assert here.caches.dropped_soon == [SHOP]
        assert here.store.asked == []
        await all_hints_acted_on(here, issuer)

        assert here.published() == []


async def test_a_deployment_is_published_when_all_workers_have_dropped_the_old_certificate(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        certificate = issuer.certificate(SHOP)
        row = here.store.put(issuer.domain(SHOP, certificate=certificate))
        here.caches.may.clear()

        here.swaps.hint(SHOP, cause=Cause("c-1"))
        await settle(lambda: here.caches.dropped == [SHOP])
        assert here.published() == []
        assert await here.catalogue.find(SHOP) == row
        here.caches.may.set()
        await settle(lambda: bool(here.published()))

        assert here.published() == [(SHOP, certificate.id, row.version)]
        assert here.store.published[0].cause == Cause("c-1")


async def test_an_unknown_name_is_dropped_at_once_and_published_when_served(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        await here.catalogue.find(SHOP)
        row = here.store.put(issuer.domain(SHOP))

        here.swaps.hint(SHOP)
        assert here.caches.dropped_soon == [SHOP]
        await settle(lambda: bool(here.published()))

        assert [version for _, _, version in here.published()] == [row.version]


async def test_while_the_store_is_unavailable_workers_keep_their_contexts(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        newer = here.store.put(issuer.domain(SHOP))
        here.store.available = False
        here.swaps.hint(SHOP)
        await settle(lambda: len(here.store.asked) == 3)  # tried, and tried again
        assert (here.caches.dropped, here.caches.dropped_soon) == ([], [])

        here.store.available = True
        await settle(lambda: bool(here.published()))

        assert here.caches.dropped == [SHOP]
        assert here.published()[0][2] == newer.version


async def test_hints_during_a_swap_cause_one_more_swap(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.caches.may.clear()
        here.swaps.hint(SHOP)
        await settle(lambda: here.caches.dropped == [SHOP])
        newest = here.store.put(issuer.domain(SHOP))

        for _ in range(5):
            here.swaps.hint(SHOP)
        here.caches.may.set()
        await settle(lambda: bool(here.published()) and here.published()[-1][2] == newest.version)

        assert here.caches.dropped == [SHOP, SHOP]


async def test_a_hint_about_a_wildcard_publishes_the_wildcard(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(WILDCARD))
        await here.catalogue.find(SHOP)
        newer = here.store.put(issuer.domain(WILDCARD))

        here.swaps.hint(WILDCARD)
        await settle(lambda: bool(here.published()))

        assert (here.published()[0][0], here.published()[0][2]) == (WILDCARD, newer.version)


async def test_nothing_is_published_for_a_domain_without_a_usable_certificate(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        for name, row in (
            (SHOP, a_domain(SHOP)),
            ("forged.example.com", issuer.domain("forged.example.com", certificate=issuer.certificate(SHOP))),
        ):
            here.store.put(row)
            await here.catalogue.find(name)
            here.swaps.hint(name)
        await settle(lambda: len(here.caches.dropped) == 2)
        await all_hints_acted_on(here, issuer)

        assert here.published() == []


async def test_a_deleted_domain_is_dropped_and_not_published(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.store.delete(SHOP)

        here.swaps.hint(SHOP)
        await settle(lambda: here.caches.dropped == [SHOP])
        await all_hints_acted_on(here, issuer)

        assert here.published() == []
        assert await here.catalogue.find(SHOP) is None


async def test_catching_up_swaps_only_changed_domains(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        here.store.put(issuer.domain("other.example.com"))
        await here.catalogue.find(SHOP)
        await here.catalogue.find("other.example.com")
        newer = here.store.put(issuer.domain(SHOP))  # its hint is lost

        await here.swaps.catch_up(here.store)
        await settle(lambda: bool(here.published()))
        await here.swaps.catch_up(here.store)
        await all_hints_acted_on(here, issuer)

        assert here.caches.dropped == [SHOP]
        assert here.published()[0][2] == newer.version


async def test_catching_up_before_the_first_read_asks_nothing(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.available = False

        await here.swaps.catch_up(here.store)


async def test_catching_up_does_not_drop_a_row_that_is_current(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain("old.example.com"))
        await here.catalogue.find("old.example.com")
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)

        await here.swaps.catch_up(here.store)
        await all_hints_acted_on(here, issuer)

        assert (here.caches.dropped, here.caches.dropped_soon) == ([], [])


async def test_a_hint_about_a_certificate_swaps_its_domains(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        row = here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        assert row.automatic is not None

        here.swaps.hint_certificate(row.automatic.id)
        here.swaps.hint_certificate("cert_of_nobody")
        await settle(lambda: bool(here.published()))

        assert here.caches.dropped == [SHOP]


async def test_a_deployment_that_cannot_be_published_is_published_later_the_newest_of_each_domain(
    issuer: Issuer,
) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.caches.may.clear()
        here.swaps.hint(SHOP)
        await settle(lambda: here.caches.dropped == [SHOP])
        here.store.available = False
        here.caches.may.set()
        await settle(lambda: here.store.refused > 0)
        assert here.published() == []

        here.store.available = True
        await settle(lambda: bool(here.published()))

        assert len(here.published()) == 1


async def test_a_key_that_was_resealed_during_the_drop_is_published(issuer: Issuer, tmp_path: Path) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.caches.may.clear()
        new = here.store.put(issuer.domain(SHOP))
        here.swaps.hint(SHOP)
        while not here.caches.dropped:
            await asyncio.sleep(0)

        here.store.rows[SHOP] = turn_vault(KeyFiles(keys_dir=tmp_path / "keys"), new)
        have_looked(issuer, new)
        here.caches.may.set()

        assert new.automatic is not None
        deployed = (SHOP, new.automatic.id, new.version)
        await settle(lambda: deployed in here.published())
