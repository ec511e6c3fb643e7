"""Swaps: the new row is read, every worker drops the old context, then `certificate.deployed` is published.

A hint says only that something may have changed. The row of its domain is read *before* the workers drop what they
hold. So an unavailable store takes nothing away from visitors, and questions after the drop are answered from memory.
There is one exception: that a name is unknown is dropped at once, since the default certificate is only for names that
are known not to be hosted.

`certificate.deployed` is published for domains of which the node held something, when every worker has said that no
handshake can show anything older, and with the certificate that is served then.
"""

import asyncio

import structlog

from services.terminator.control.catalogue import Catalogue
from services.terminator.control.deployments import Deployments
from services.terminator.control.offers import OfferRefusedError, Offers
from services.terminator.metrics import DEPLOY_SECONDS
from services.terminator.ports import Changes, Deployment, Store, WorkerCaches
from services.terminator.rules.selection import Domain
from shared.errors import StoreUnavailableError
from shared.events import NO_CAUSE, Cause
from shared.process.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Swaps:
    """Brings the node and its workers up to date with the rows."""

    def __init__(self, catalogue: Catalogue, offers: Offers, workers: WorkerCaches, deployments: Deployments) -> None:
        self._catalogue = catalogue
        self._offers = offers
        self._workers = workers
        self._deployments = deployments
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[str] = set()
        self._again: dict[str, Cause] = {}  # hinted while running, with the latest cause

    @property
    def are_done(self) -> bool:
        """Whether all hints have been acted on."""
        return not self._running

    def hint(self, domain: str, *, cause: Cause = NO_CAUSE) -> None:
        """Swap *domain*: its row may have changed."""
        held = self._catalogue.hint(domain)
        if not held.rows:
            self._workers.drop_soon(domain)
            if not held.other:
                return
        if self._tasks is None:  # not started, or stopped: the workers hold nothing, or are draining
            return
        if domain in self._running:
            self._again[domain] = cause
            return
        self._running.add(domain)
        self._tasks.create_task(self._swap(domain, cause))

    def hint_certificate(self, certificate_id: str, *, cause: Cause = NO_CAUSE) -> None:
        """Swap all domains that may be served with the certificate."""
        for domain in self._catalogue.domains_with(certificate_id):
            self.hint(domain, cause=cause)

    async def catch_up(self, store: Store) -> None:
        """Swap every domain that changed since the last call, or since the first read, whether or not its hint came.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        since = self._catalogue.since
        if since is None:  # nothing was ever read, so nothing can be outdated
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
                if row is not None and self._offers.may_be_outdated(row):  # resealed since
                    row = await self._reread(domain)
                if row is not None:
                    self._publish(row, asyncio.get_running_loop().time() - read_at, cause)
                if domain not in self._again:
                    return
                cause = self._again.pop(domain)
        except Exception:  # the edge: an error of one domain must not affect the others
            log.exception("domain_not_swapped", domain=domain)
        finally:
            self._running.discard(domain)
            self._again.pop(domain, None)

    async def _reread(self, domain: str) -> Domain | None:
        backoff = Backoff()
        while True:
            try:
                return await self._catalogue.reread(domain)
            except StoreUnavailableError:
                await asyncio.sleep(backoff.delay())

    def _publish(self, row: Domain, seconds: float, cause: Cause) -> None:
        try:
            offer = self._offers.offer(row)
        except OfferRefusedError:
            return
        if offer is None:
            return
        latency = max(0.0, row.changed_seconds_ago + seconds)
        DEPLOY_SECONDS.observe(latency)
        self._deployments.add(
            Deployment(
                domain=row.name,
                certificate_id=offer.certificate_id,
                version=row.version,
                latency_seconds=latency,
                cause=cause,
            )
        )
