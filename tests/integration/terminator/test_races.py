"""A hint that meets a read on its way: whatever the order, nobody is shown what was read before it."""

import asyncio

import pytest

from services.terminator.rules.selection import Domain
from tests.fakes.terminator_store import Issuer, MemoryStore, careless_context
from tests.rig.terminator.node import Rig, running_node, until

SHOP, WILDCARD = "shop.example.com", "*.example.com"
VISITORS = 8  # of two workers; the kernel says who of which


def leaf(domain: Domain) -> bytes:
    assert domain.automatic is not None
    return domain.automatic.leaf


async def asking(rig: Rig) -> list[asyncio.Task[bytes]]:
    """Return visitors who wait for a read that has begun; its answer waits for the store's gate."""
    rig.store.gate = asyncio.Event()
    visitors = [asyncio.create_task(rig.shown(SHOP, context=careless_context())) for _ in range(VISITORS)]
    await until(lambda: len(rig.store.asked) == 1, "the store to be read")
    return visitors


async def shown_to(visitors: list[asyncio.Task[bytes]], rig: Rig) -> set[bytes]:
    """Let the store answer; return what *visitors*, and as many after them, are shown."""
    assert rig.store.gate is not None
    rig.store.gate.set()
    shown = set(await asyncio.gather(*visitors))
    return shown | set(await asyncio.gather(*(rig.shown(SHOP, context=careless_context()) for _ in range(VISITORS))))


@pytest.mark.parametrize("name", [SHOP, WILDCARD])
async def test_what_was_read_before_a_hint_is_shown_to_nobody_after_it(issuer: Issuer, name: str) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2) as rig:
        rig.store.put(issuer.domain(name))
        visitors = await asking(rig)

        newer = rig.store.put(issuer.domain(name))
        rig.node.hint(name)

        assert await shown_to(visitors, rig) == {leaf(newer)}


@pytest.mark.parametrize("name", [SHOP, WILDCARD])
async def test_a_name_registered_while_it_is_found_to_be_nobodys_is_served(issuer: Issuer, name: str) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2, unknown_seconds=600.0) as rig:
        visitors = await asking(rig)

        row = rig.store.put(issuer.domain(name))
        rig.node.hint(name)

        assert await shown_to(visitors, rig) == {leaf(row)}


async def test_a_domain_deleted_while_it_is_read_is_served_to_nobody(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2) as rig:
        row = rig.store.put(issuer.domain(SHOP))
        visitors = await asking(rig)

        rig.store.delete(SHOP)
        rig.node.hint(SHOP)

        assert leaf(row) not in await shown_to(visitors, rig)


async def test_a_change_whose_hint_was_lost_while_it_was_read_is_found_by_catching_up(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, workers=2) as rig:
        rig.store.put(issuer.domain(SHOP))
        visitors = await asking(rig)

        newer = rig.store.put(issuer.domain(SHOP))
        await shown_to(visitors, rig)
        rig.node.catch_up()
        await until(lambda: bool(rig.store.told), "the change to be found")

        assert await rig.shown(SHOP) == leaf(newer)
