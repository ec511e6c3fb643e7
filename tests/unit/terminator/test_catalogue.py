"""A row in the catalogue is never older than the last hint, and is used while the store is unavailable."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.waiting import within
from services.terminator.control.catalogue import Catalogue
from services.terminator.rules.selection import Domain
from shared.errors import StoreUnavailableError
from tests.fakes.terminator_store import MemoryStore, a_domain

SHOP = "shop.example.com"
WILDCARD = "*.example.com"


@dataclass(slots=True)
class Known:
    """A running catalogue, and the names that it has evicted."""

    store: MemoryStore
    catalogue: Catalogue
    evicted: list[str]

    async def version(self, name: str) -> int | None:
        """Return the version of the row that decides what *name* gets, None when the name is unknown."""
        domain = await self.catalogue.find(name)
        return None if domain is None else domain.version


@asynccontextmanager
async def knowing(*, size: int = 100, unknown_seconds: float = 60.0) -> AsyncIterator[Known]:
    store, evicted = MemoryStore(), list[str]()
    catalogue = Catalogue(store, size=size, unknown_seconds=unknown_seconds, on_evicted=evicted.append)
    reading = asyncio.create_task(catalogue.run())
    try:
        yield Known(store, catalogue, evicted)
    finally:
        reading.cancel()


async def settle(holds: Callable[[], bool]) -> None:
    async with within("this step"):
        while not holds():
            await asyncio.sleep(0)


async def test_a_hint_that_arrives_during_a_read_is_not_lost() -> None:
    async with knowing() as known:
        known.store.put(a_domain(SHOP))
        known.store.gate = asyncio.Event()
        finding = asyncio.create_task(known.version(SHOP))
        await settle(lambda: len(known.store.asked) == 1)

        newer = known.store.put(a_domain(SHOP))
        known.catalogue.hint(SHOP)
        known.store.gate.set()

        assert await finding == newer.version
        assert len(known.store.asked) == 2


async def test_a_hint_about_a_wildcard_repeats_the_read_of_a_name_below_it() -> None:
    async with knowing() as known:
        known.store.put(a_domain(WILDCARD))
        known.store.gate = asyncio.Event()
        finding = asyncio.create_task(known.version(SHOP))
        await settle(lambda: len(known.store.asked) == 1)

        newer = known.store.put(a_domain(WILDCARD))
        known.catalogue.hint(WILDCARD)
        known.store.gate.set()

        assert await finding == newer.version


async def test_a_name_asked_for_just_before_its_registration_is_found_after_the_hint() -> None:
    async with knowing() as known:
        known.store.gate = asyncio.Event()
        finding = asyncio.create_task(known.version(SHOP))
        await settle(lambda: len(known.store.asked) == 1)

        row = known.store.put(a_domain(SHOP))
        known.catalogue.hint(SHOP)
        known.store.gate.set()

        assert await finding == row.version


async def test_after_a_hint_an_unknown_name_is_read_again() -> None:
    async with knowing() as known:
        assert await known.version(SHOP) is None
        row = known.store.put(a_domain(WILDCARD))

        held = known.catalogue.hint(WILDCARD)

        assert (held.rows, held.other) == (False, True)
        assert await known.version(SHOP) == row.version


async def test_a_name_counts_as_unknown_for_a_bounded_time() -> None:
    async with knowing(unknown_seconds=0.0) as known:
        assert await known.version(SHOP) is None
        row = known.store.put(a_domain(SHOP))

        assert await known.version(SHOP) == row.version


async def test_a_cached_name_is_not_read_again() -> None:
    async with knowing() as known:
        known.store.put(a_domain(SHOP))
        await known.version(SHOP)
        await known.version("nobody.example.net")

        await known.version(SHOP)
        await known.version("nobody.example.net")

        assert len(known.store.asked) == 2


async def test_callers_of_one_name_share_a_read_and_many_names_share_a_query() -> None:
    async with knowing() as known:
        known.store.put(a_domain(SHOP))
        known.store.gate = asyncio.Event()
        first = asyncio.create_task(known.version("first.example.net"))
        await settle(lambda: len(known.store.asked) == 1)
        asking = [asyncio.create_task(known.version(name)) for name in [SHOP, "other.example.net"] * 50]
        await asyncio.sleep(0)

        known.store.gate.set()

        assert await asyncio.gather(first, *asking) == [None, *[1, None] * 50]
        assert len(known.store.asked) == 2


async def test_an_exact_name_without_a_certificate_hides_the_wildcard() -> None:
    async with knowing() as known:
        known.store.put(a_domain(WILDCARD))
        exact = known.store.put(a_domain(SHOP))

        domain = await known.catalogue.find(SHOP)

        assert domain == exact


async def test_while_the_store_is_unavailable_stale_rows_are_used() -> None:
    async with knowing() as known:
        row = known.store.put(a_domain(SHOP))
        await known.version(SHOP)
        known.store.available = False
        known.catalogue.hint(SHOP)

        assert await known.version(SHOP) == row.version


async def test_while_the_store_is_unavailable_a_name_never_read_does_not_count_as_unknown() -> None:
    async with knowing() as known:
        known.store.available = False
        with pytest.raises(StoreUnavailableError):
            await known.version(SHOP)
        row = known.store.put(a_domain(SHOP))

        known.store.available = True

        assert await known.version(SHOP) == row.version


async def test_while_the_store_is_unavailable_a_hinted_name_stops_counting_as_unknown() -> None:
    async with knowing() as known:
        await known.version(SHOP)
        known.store.available = False
        known.catalogue.hint(SHOP)

        with pytest.raises(StoreUnavailableError):
            await known.version(SHOP)


async def test_names_below_a_wildcard_follow_its_row_even_while_the_store_is_unavailable() -> None:
    async with knowing() as known:
        known.store.put(a_domain(WILDCARD))
        await known.version(SHOP)
        newer = known.store.put(a_domain(WILDCARD))
        known.catalogue.hint(WILDCARD)
        assert await known.catalogue.reread(WILDCARD) == newer
        known.store.available = False

        assert await known.version(SHOP) == newer.version


async def test_names_below_a_deleted_wildcard_are_not_served_while_the_store_is_unavailable() -> None:
    async with knowing() as known:
        known.store.put(a_domain(WILDCARD))
        await known.version(SHOP)
        known.store.delete(WILDCARD)
        known.catalogue.hint(WILDCARD)
        assert await known.catalogue.reread(WILDCARD) is None
        known.store.available = False

        with pytest.raises(StoreUnavailableError):
            await known.version(SHOP)


async def test_an_evicted_name_is_reported() -> None:
    async with knowing(size=2) as known:
        for name in ("a.example.com", "b.example.com", "c.example.com"):
            known.store.put(a_domain(name))
            await known.version(name)

        assert known.evicted == ["a.example.com"]
        assert known.catalogue.sizes == (2, 0)


async def test_unknown_names_evict_no_row() -> None:
    async with knowing(size=2) as known:
        known.store.put(a_domain(SHOP))
        await known.version(SHOP)
        for number in range(10):
            await known.version(f"{number}.example.net")

        assert known.catalogue.sizes == (1, 2)


async def test_the_domains_of_a_certificate_are_found() -> None:
    async with knowing() as known:
        assert known.catalogue.domains_with("cert_x") == set()


NAMES = st.sampled_from([SHOP, WILDCARD])
STEPS = st.lists(st.tuples(st.sampled_from(["write", "hint", "find", "answer", "delete"]), NAMES), max_size=30)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
async def test_no_caller_gets_a_row_older_than_its_last_hint_in_any_interleaving(
    steps: list[tuple[str, str]],
) -> None:
    """The store answers each query with the rows as they were when the query arrived."""
    async with knowing() as known:
        store = known.store
        store.gate = asyncio.Event()
        least: dict[str, int] = {SHOP: 0, WILDCARD: 0}  # the version of the last hint
        finding: list[asyncio.Task[None]] = []

        async def find() -> None:
            domain = await known.catalogue.find(SHOP)
            assert_fresh(domain, store, least)

        for step, name in steps:
            match step:
                case "write":
                    store.put(a_domain(name))
                case "delete" if name in store.rows:
                    store.delete(name)
                case "hint":
                    known.catalogue.hint(name)
                    least[name] = store.changed.get(name, 0)
                case "find":
                    finding.append(asyncio.create_task(find()))
                case "answer":
                    store.gate.set()
                    store.gate = asyncio.Event()
            await asyncio.sleep(0)
        store.gate.set()
        store.gate = None

        async with within("this step"):
            await asyncio.gather(*finding)


def assert_fresh(domain: Domain | None, store: MemoryStore, least: dict[str, int]) -> None:
    if domain is not None:
        assert domain.version >= least[domain.name]
    elif SHOP in store.rows:  # it counted as unknown before its row was written, and no hint came since
        assert store.changed[SHOP] > least[SHOP]
