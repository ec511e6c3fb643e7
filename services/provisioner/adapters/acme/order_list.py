"""Finds orders that the CA created and whose answer was lost, in the account's list of orders.

The list (RFC 8555 section 7.1.2.1) has only URLs, so a search for certain names must read each order that no row knows.
After a crash many searches run at once, and each would read the same orders. So they share the work:

* one search reads at a time, for all: a list whose request began after a search asked is new enough for that search;
* an order's names never change, so they are read once;
* orders that were read are kept when a deadline ends the search; the next search continues there.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from services.provisioner.adapters.acme.endpoint import waiting_until
from services.provisioner.ports import Known
from services.provisioner.rules.acme import AuthorityError, CaOrder, Failure, OrderStatus, Phase

_AT_ONCE: Final = 16
_MAX_ORDERS: Final = 500  # that are read; if more are unknown to our rows, another installation uses the account


class Account(Protocol):
    """The account that owns the orders."""

    async def order_urls(self, *, deadline: float) -> list[str]:
        """Return the account's list of orders, oldest first."""

    async def order(self, url: str, *, deadline: float) -> CaOrder:
        """Return the order as it is now."""


class OrderList:
    """The list of one account, shared by all searches."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._turn = asyncio.Lock()
        self._urls: list[str] = []
        self._begun_at = -math.inf  # when the list was asked for, by the event loop's clock
        self._names: dict[str, tuple[str, ...]] = {}  # by URL, sorted

    async def unfinished(self, names: Sequence[str], *, known: Known | None, deadline: float) -> tuple[CaOrder, ...]:
        """Return the pending and ready orders for exactly *names* that are not *known*."""
        asked_at = asyncio.get_running_loop().time()
        async with self._reading(deadline):
            if self._begun_at < asked_at:
                await self._read_list(deadline)
            ours: Container[str] = () if known is None else await known(self._urls)
            strangers = [url for url in self._urls if url not in ours][-_MAX_ORDERS:]
            await self._read_names([url for url in strangers if url not in self._names], deadline)
            wanted = tuple(sorted(names))
            found = [url for url in strangers if self._names[url] == wanted]
        orders = [await self._look(url, deadline) for url in found]
        return tuple(each for each in orders if each and each.status in (OrderStatus.PENDING, OrderStatus.READY))

    @asynccontextmanager
    async def _reading(self, deadline: float) -> AsyncIterator[None]:
        async with waiting_until(deadline, Phase.ORDER):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    async def _read_list(self, deadline: float) -> None:
        begun_at = asyncio.get_running_loop().time()
        self._urls = await self._account.order_urls(deadline=deadline)
        self._begun_at = begun_at
        self._names = {url: self._names[url] for url in self._urls if url in self._names}

    async def _read_names(self, urls: Sequence[str], deadline: float) -> None:
        for first in range(0, len(urls), _AT_ONCE):
            reading = [self._read_name(url, deadline) for url in urls[first : first + _AT_ONCE]]
            # All of them end before the first failure is raised, so that orders that were read are kept.
            for outcome in await asyncio.gather(*reading, return_exceptions=True):
                if outcome is not None:
                    raise outcome

    async def _read_name(self, url: str, deadline: float) -> None:
        order = await self._look(url, deadline)
        self._names[url] = () if order is None else tuple(sorted(order.names))

    async def _look(self, url: str, deadline: float) -> CaOrder | None:
        """Return the order as it is now; None when it is gone, since lists may be old."""
        try:
            return await self._account.order(url, deadline=deadline)
        except AuthorityError as error:
            if error.failure is not Failure.PROBLEM:
                raise
            return None
