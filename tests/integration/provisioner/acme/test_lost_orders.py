"""Orders that the CA created and whose answer was lost: after a crash many are searched for at once."""

import asyncio
from collections.abc import Sequence

import pytest

from dev.servers.ca_gate import CaGate
from dev.servers.faults import Delay, Endpoint, HoldAnswer
from services.provisioner.rules.acme import AuthorityError, CaOrder, Failure
from tests.rig.acme import Client, soon

LOST = 12
PAGES = LOST // 3  # Pebble lists three on a page


async def nothing(_urls: Sequence[str]) -> Sequence[str]:
    return ()


async def look(client: Client, order: CaOrder, *, seconds: float = 60) -> tuple[CaOrder, ...]:
    return await client.account.unfinished_orders(order.names, known=nothing, deadline=soon(seconds))


async def lose(client: Client) -> list[CaOrder]:
    return [await client.order(f"{number}.lost.example.com") for number in range(LOST)]


async def test_concurrent_searches_share_the_orders_that_were_read(gate: CaGate, gated: Client) -> None:
    lost = await lose(gated)

    found = await asyncio.gather(*(look(gated, order) for order in lost))

    assert [[each.url for each in orders] for orders in found] == [[order.url] for order in lost]
    assert gate.count(Endpoint.ORDERS) < 4 * PAGES  # two lists, and some nonces that Pebble refuses
    assert gate.count(Endpoint.ORDER) < 4 * LOST  # each once for its names, once for its state


async def test_the_next_search_continues_one_that_was_cancelled(gate: CaGate, gated: Client) -> None:
    lost = await lose(gated)
    held = HoldAnswer()
    gate.inject(Endpoint.ORDER, *[Delay(0)] * (LOST - 2), held)
    broken_off = asyncio.create_task(look(gated, lost[0]))
    await held.reached.wait()
    broken_off.cancel()
    await asyncio.wait([broken_off])
    held.release.set()

    before = gate.count(Endpoint.ORDER)
    found = await look(gated, lost[0])

    assert [each.url for each in found] == [lost[0].url]
    assert gate.count(Endpoint.ORDER) - before < LOST  # the one that was held, the two that were left, its state


async def test_a_search_that_waits_for_another_ends_at_its_own_deadline(gate: CaGate, gated: Client) -> None:
    (order, *_) = await lose(gated)
    held = HoldAnswer()
    gate.inject(Endpoint.ORDERS, held)

    first = asyncio.create_task(look(gated, order))
    await held.reached.wait()
    with pytest.raises(AuthorityError) as caught:
        await look(gated, order, seconds=0.2)
    held.release.set()

    assert caught.value.failure is Failure.TIMEOUT
    assert [each.url for each in await first] == [order.url]
