"""What a hint causes: read, drop, tell, in this order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.terminator.control.catalogue import Catalogue
from services.terminator.control.deployments import Telling
from services.terminator.control.offers import Offers
from services.terminator.control.swaps import Swaps
from shared.events import Cause
from shared.vault import KeyFiles
from tests.fakes.terminator_store import Issuer, MemoryStore, a_domain
from tests.rig.terminator.rotation import have_looked, turn_vault

SHOP = "shop.example.com"
WILDCARD = "*.example.com"


@dataclass(slots=True)
class RecordingAudience:
    """Drops when it is let."""

    dropped: list[str] = field(default_factory=list)
    dropped_soon: list[str] = field(default_factory=list)
    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def drop(self, domain: str) -> None:
        """Note it, and have done so when `may` is set."""
        self.dropped.append(domain)
        await self.may.wait()

    def drop_soon(self, domain: str) -> None:
        """Note it."""
        self.dropped_soon.append(domain)


@dataclass(slots=True)
class Swapping:
    """A catalogue, who drops, and what brings them up to date."""

    store: MemoryStore
    catalogue: Catalogue
    audience: RecordingAudience
    swaps: Swaps

    def told(self) -> list[tuple[str, str, int]]:
        """Return what was told, domain by domain."""
        return [(item.domain, item.certificate_id, item.version) for item in self.store.told]


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys")


@asynccontextmanager
async def swapping(issuer: Issuer) -> AsyncIterator[Swapping]:
    store, audience = MemoryStore(), RecordingAudience()
    catalogue = Catalogue(store, size=100, nobodys_seconds=60.0, on_evicted=audience.drop_soon)
    telling = Telling(store)
    async with asyncio.TaskGroup() as tasks:
        chores = [tasks.create_task(catalogue.run()), tasks.create_task(telling.run())]
        offers = Offers(issuer.reader, lambda: datetime.now(UTC))
        audience.may.set()
        swaps = Swaps(catalogue, offers, audience, telling)
        chores.append(tasks.create_task(swaps.run()))
        await asyncio.sleep(0)
        yield Swapping(store, catalogue, audience, swaps)
        for chore in chores:
            chore.cancel()


async def all_hints_acted_on(here: Swapping, issuer: Issuer) -> None:
    """Return when a hint that came after all others has been acted on, and forget it."""
    fence = "fence.example.org"
    here.store.put(issuer.domain(fence))
    await here.catalogue.find(fence)
    here.swaps.hint(fence)
    await settle(lambda: fence in [domain for domain, _, _ in here.told()])
    here.store.told[:] = [item for item in here.store.told if item.domain != fence]
    here.audience.dropped.remove(fence)


async def settle(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


async def test_a_hint_about_a_name_that_nobody_asked_for_costs_no_read_and_tells_nothing(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))

        here.swaps.hint(SHOP)
        assert here.audience.dropped_soon == [SHOP]
        assert here.store.asked == []
        await all_hints_acted_on(here, issuer)

        assert here.told() == []


async def test_the_new_certificate_is_told_when_all_have_dropped_the_old(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        certificate = issuer.certificate(SHOP)
        row = here.store.put(issuer.domain(SHOP, certificate=certificate))
        here.audience.may.clear()

        here.swaps.hint(SHOP, cause=Cause("c-1"))
        await settle(lambda: here.audience.dropped == [SHOP])
        assert here.told() == []
        assert await here.catalogue.find(SHOP) == row
        here.audience.may.set()
        await settle(lambda: bool(here.told()))

        assert here.told() == [(SHOP, certificate.id, row.version)]
        assert here.store.told[0].cause == Cause("c-1")


async def test_a_name_that_was_nobodys_is_dropped_at_once_and_told_when_served(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        await here.catalogue.find(SHOP)
        row = here.store.put(issuer.domain(SHOP))

        here.swaps.hint(SHOP)
        assert here.audience.dropped_soon == [SHOP]
        await settle(lambda: bool(here.told()))

        assert [version for _, _, version in here.told()] == [row.version]


async def test_while_the_store_is_away_visitors_keep_what_they_have_until_it_is_back(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        newer = here.store.put(issuer.domain(SHOP))
        here.store.available = False
        here.swaps.hint(SHOP)
        await settle(lambda: len(here.store.asked) == 3)  # tried, and tried again
        assert (here.audience.dropped, here.audience.dropped_soon) == ([], [])

        here.store.available = True
        await settle(lambda: bool(here.told()))

        assert here.audience.dropped == [SHOP]
        assert here.told()[0][2] == newer.version


async def test_hints_while_one_is_acted_on_are_acted_on_afterwards_once(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.audience.may.clear()
        here.swaps.hint(SHOP)
        await settle(lambda: here.audience.dropped == [SHOP])
        newest = here.store.put(issuer.domain(SHOP))

        for _ in range(5):
            here.swaps.hint(SHOP)
        here.audience.may.set()
        await settle(lambda: bool(here.told()) and here.told()[-1][2] == newest.version)

        assert here.audience.dropped == [SHOP, SHOP]


async def test_a_hint_about_a_wildcard_is_told_of_the_wildcard(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(WILDCARD))
        await here.catalogue.find(SHOP)
        newer = here.store.put(issuer.domain(WILDCARD))

        here.swaps.hint(WILDCARD)
        await settle(lambda: bool(here.told()))

        assert (here.told()[0][0], here.told()[0][2]) == (WILDCARD, newer.version)


async def test_nothing_is_told_of_a_domain_without_certificate_or_with_a_refused_key(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        for name, row in (
            (SHOP, a_domain(SHOP)),
            ("forged.example.com", issuer.domain("forged.example.com", certificate=issuer.certificate(SHOP))),
        ):
            here.store.put(row)
            await here.catalogue.find(name)
            here.swaps.hint(name)
        await settle(lambda: len(here.audience.dropped) == 2)
        await all_hints_acted_on(here, issuer)

        assert here.told() == []


async def test_a_deleted_domain_is_dropped_and_nothing_told(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.store.delete(SHOP)

        here.swaps.hint(SHOP)
        await settle(lambda: here.audience.dropped == [SHOP])
        await all_hints_acted_on(here, issuer)

        assert here.told() == []
        assert await here.catalogue.find(SHOP) is None


async def test_catching_up_asks_only_for_what_changed_and_hints_it(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        here.store.put(issuer.domain("other.example.com"))
        await here.catalogue.find(SHOP)
        await here.catalogue.find("other.example.com")
        newer = here.store.put(issuer.domain(SHOP))  # its hint is lost

        await here.swaps.catch_up(here.store)
        await settle(lambda: bool(here.told()))
        await here.swaps.catch_up(here.store)
        await all_hints_acted_on(here, issuer)

        assert here.audience.dropped == [SHOP]
        assert here.told()[0][2] == newer.version


async def test_catching_up_before_anything_was_read_asks_nothing(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.available = False

        await here.swaps.catch_up(here.store)


async def test_catching_up_does_not_drop_what_is_known_at_that_version(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain("old.example.com"))
        await here.catalogue.find("old.example.com")
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)

        await here.swaps.catch_up(here.store)
        await all_hints_acted_on(here, issuer)

        assert (here.audience.dropped, here.audience.dropped_soon) == ([], [])


async def test_a_hint_about_a_certificate_is_one_about_the_domains_that_have_it(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        row = here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        assert row.automatic is not None

        here.swaps.hint_certificate(row.automatic.id)
        here.swaps.hint_certificate("cert_of_nobody")
        await settle(lambda: bool(here.told()))

        assert here.audience.dropped == [SHOP]


async def test_what_cannot_be_told_is_told_later_the_newest_of_each_domain(issuer: Issuer) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.audience.may.clear()
        here.swaps.hint(SHOP)
        await settle(lambda: here.audience.dropped == [SHOP])
        here.store.available = False
        here.audience.may.set()
        await settle(lambda: here.store.refused > 0)
        assert here.told() == []

        here.store.available = True
        await settle(lambda: bool(here.told()))

        assert len(here.told()) == 1


async def test_a_key_that_was_sealed_anew_while_workers_dropped_is_told_of(issuer: Issuer, tmp_path: Path) -> None:
    async with swapping(issuer) as here:
        here.store.put(issuer.domain(SHOP))
        await here.catalogue.find(SHOP)
        here.audience.may.clear()
        new = here.store.put(issuer.domain(SHOP))
        here.swaps.hint(SHOP)
        while not here.audience.dropped:
            await asyncio.sleep(0)

        here.store.rows[SHOP] = turn_vault(KeyFiles(keys_dir=tmp_path / "keys"), new)
        have_looked(issuer, new)
        here.audience.may.set()

        assert new.automatic is not None
        told = (SHOP, new.automatic.id, new.version)
        await settle(lambda: told in here.told())
