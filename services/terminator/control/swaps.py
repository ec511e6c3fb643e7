"""What a hint causes: the new row is read, every worker drops the old one, and then it is told that this is so.

A hint says only that something may have changed. Its domain's row is read *before* the workers drop what they hold, so
a store that does not answer takes nothing away from visitors, and who asks after the drop is answered from memory. Only
that a name is nobody's is dropped at once: the default certificate is for names that are known to be nobody's.

`certificate.deployed` is told of a domain of which the node held something, when every worker has said that none of its
handshakes can show anything older, and of the certificate that is served then.
"""

import asyncio
from typing import Final

import structlog

from services.terminator.control.catalogue import Catalogue
from services.terminator.control.deployments import Telling
from services.terminator.control.offers import OfferRefusedError, Offers
from services.terminator.metrics import DEPLOY_SECONDS
from services.terminator.ports import Audience, Changes, Deployment, Store
from services.terminator.rules.selection import Domain
from shared.errors import StoreUnavailableError
from shared.events import NO_CAUSE, Cause

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_FIRST_DELAY_SECONDS: Final = 0.1
_MAX_DELAY_SECONDS: Final = 5.0


class Swaps:
    """Brings the node up to what the rows say."""

    def __init__(self, catalogue: Catalogue, offers: Offers, workers: Audience, telling: Telling) -> None:
        self._catalogue = catalogue
        self._offers = offers
        self._workers = workers
        self._telling = telling
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[str] = set()
        self._again: dict[str, Cause] = {}  # hinted while running, with the latest cause

    @property
    def are_done(self) -> bool:
        """Whether all hints have been acted on."""
        return not self._running

    def hint(self, domain: str, *, cause: Cause = NO_CAUSE) -> None:
        """Something may have changed in the row of *domain*."""
        held = self._catalogue.hint(domain)
        if not held.rows:
            self._workers.drop_soon(domain)
            if not held.other:
                return
        if self._tasks is None:  # not yet, or not any more: the workers have nothing, or are ending
            return
        if domain in self._running:
            self._again[domain] = cause
            return
        self._running.add(domain)
        self._tasks.create_task(self._swap(domain, cause))

    def hint_certificate(self, certificate_id: str, *, cause: Cause = NO_CAUSE) -> None:
        """Something may have changed about a certificate."""
        for domain in self._catalogue.domains_with(certificate_id):
            self.hint(domain, cause=cause)

    async def catch_up(self, store: Store) -> None:
        """Learn of every change since the last time, or since the first read, whether or not its hint came.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        since = self._catalogue.since
        if since is None:  # nothing was ever read, so nothing can be old
            return
        changes: Changes = await store.changed_since(since)
        for domain, version in changes.versions.items():
            if self._catalogue.version_of(domain) != version:
                self.hint(domain)
        self._catalogue.since = changes.xmin

    async def run(self) -> None:
        """Act on hints, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    async def _swap(self, domain: str, cause: Cause) -> None:
        try:
            while True:
                row = await self._reread(domain)
                read_at = asyncio.get_running_loop().time()
                await self._workers.drop(domain)
                if row is not None and self._offers.may_be_outdated(row):  # sealed anew meanwhile
                    row = await self._reread(domain)
                if row is not None:
                    self._tell(row, asyncio.get_running_loop().time() - read_at, cause)
                if domain not in self._again:
                    return
                cause = self._again.pop(domain)
        except Exception:  # the edge: what is wrong with one domain is nothing to the others
            log.exception("domain_not_swapped", domain=domain)
        finally:
            self._running.discard(domain)
            self._again.pop(domain, None)

    async def _reread(self, domain: str) -> Domain | None:
        delay = _FIRST_DELAY_SECONDS
        while True:
            try:
                return await self._catalogue.reread(domain)
            except StoreUnavailableError:
                await asyncio.sleep(delay)
                delay = min(2 * delay, _MAX_DELAY_SECONDS)

    def _tell(self, row: Domain, seconds: float, cause: Cause) -> None:
        try:
            offer = self._offers.offer(row)
        except OfferRefusedError:
            return
        if offer is None:
            return
        latency = max(0.0, row.changed_seconds_ago + seconds)
        DEPLOY_SECONDS.observe(latency)
        self._telling.add(
            Deployment(
                domain=row.name,
                certificate_id=offer.certificate_id,
                version=row.version,
                latency_seconds=latency,
                cause=cause,
            )
        )
