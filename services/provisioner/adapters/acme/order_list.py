"""Finding an order that the authority has made and nobody was told of, by the account's list of orders.

The list (RFC 8555 section 7.1.2.1) has nothing but URLs, so who looks for certain names must read each order that is
not known. After a crash many look at once, and each would read what all the others read. So they share it:

* one reads at a time, for all: a list that was begun after somebody had asked is as good as one of his own;
* an order's names never change, so they are read once;
* what was read stays when a deadline ends the look; the next one goes on there.
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
_MAX_ORDERS: Final = 500  # that are looked at; of more unfinished ones that no row of ours has, none is ours


class Account(Protocol):
    """Whose orders they are."""

    async def order_urls(self, *, deadline: float) -> list[str]:
        """Return what the account's list has, oldest first."""

    async def order(self, url: str, *, deadline: float) -> CaOrder:
        """Return the order as it stands."""


class OrderList:
    """The list of one account, for all who look into it."""

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
            # All of them end, so that what was read is kept, before the first failure is told.
            for outcome in await asyncio.gather(*reading, return_exceptions=True):
                if outcome is not None:
                    raise outcome

    async def _read_name(self, url: str, deadline: float) -> None:
        order = await self._look(url, deadline)
        self._names[url] = () if order is None else tuple(sorted(order.names))

    async def _look(self, url: str, deadline: float) -> CaOrder | None:
        """Return the order as it stands, None when it is listed and gone: lists may be old."""
        try:
            return await self._account.order(url, deadline=deadline)
        except AuthorityError as error:
            if error.failure is not Failure.PROBLEM:
                raise
            return None
