"""A hint that arrives during a read: in any order, no visitor is shown a row that was read before the hint."""

import asyncio

import pytest

from services.terminator.rules.selection import Domain
from tests.fakes.terminator_store import Issuer, MemoryStore, careless_context
from tests.rig.terminator.node import Rig, running_node, until

SHOP, WILDCARD = "shop.example.com", "*.example.com"
VISITORS = 8  # over two workers; the kernel distributes them


def leaf(domain: Domain) -> bytes:
    assert domain.automatic is not None
    return domain.automatic.leaf


async def asking(rig: Rig) -> list[asyncio.Task[bytes]]:
    """Return visitors that wait for a read that has begun, and that the store's gate holds up."""
    rig.store.gate = asyncio.Event()
    visitors = [asyncio.create_task(rig.shown(SHOP, context=careless_context())) for _ in range(VISITORS)]
    await until(lambda: len(rig.store.asked) == 1, "the store to be read")
    return visitors


async def shown_to(visitors: list[asyncio.Task[bytes]], rig: Rig) -> set[bytes]:
    """Let the store answer; return the leaves that *visitors*, and as many after them, are shown."""
    assert rig.store.gate is not None
    rig.store.gate.set()
    shown = set(await asyncio.gather(*visitors))
    return shown | set(await asyncio.gather(*(rig.shown(SHOP, context=careless_context()) for _ in range(VISITORS))))


@pytest.mark.parametrize("name", [SHOP, WILDCARD])
async def test_a_row_read_before_a_hint_is_not_shown_after_it(issuer: Issuer, name: str) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2) as rig:
        rig.store.put(issuer.domain(name))
        visitors = await asking(rig)

        newer = rig.store.put(issuer.domain(name))
        rig.node.hint(name)

        assert await shown_to(visitors, rig) == {leaf(newer)}


@pytest.mark.parametrize("name", [SHOP, WILDCARD])
async def test_a_name_registered_during_the_read_that_finds_it_unknown_is_served(issuer: Issuer, name: str) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2, unknown_seconds=600.0) as rig:
        visitors = await asking(rig)

        row = rig.store.put(issuer.domain(name))
        rig.node.hint(name)

        assert await shown_to(visitors, rig) == {leaf(row)}


async def test_a_domain_deleted_during_its_read_is_not_served(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2) as rig:
        row = rig.store.put(issuer.domain(SHOP))
        visitors = await asking(rig)

        rig.store.delete(SHOP)
        rig.node.hint(SHOP)

        assert leaf(row) not in await shown_to(visitors, rig)


async def test_a_change_during_a_read_whose_hint_was_lost_is_found_by_catching_up(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2) as rig:
        rig.store.put(issuer.domain(SHOP))
        visitors = await asking(rig)

        newer = rig.store.put(issuer.domain(SHOP))
        await shown_to(visitors, rig)
        rig.node.catch_up()
        await until(lambda: bool(rig.store.published), "the change to be found")

        assert await rig.shown(SHOP) == leaf(newer)
