"""Publishes deployments in batches, and retries until the store has accepted them."""

import asyncio
from typing import Final

import structlog

from services.terminator.ports import Deployment, Store
from shared.errors import StoreUnavailableError
from shared.process.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_BATCH: Final = 200


class Deployments:
    """The deployments that are not published yet; of each domain only the newest."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, Deployment] = {}
        self._added = asyncio.Event()

    def add(self, deployment: Deployment) -> None:
        """Have *deployment* published, unless a newer one of its domain is waiting."""
        known = self._waiting.get(deployment.domain)
        if known is None or known.version < deployment.version:
            self._waiting[deployment.domain] = deployment
            self._added.set()

    async def run(self) -> None:
        """Publish, until cancelled."""
        backoff = Backoff()
        while True:
            await self._added.wait()
            batch = list(self._waiting.values())[:_BATCH]
            try:
                await self._store.publish_deployed(batch)
            except StoreUnavailableError as error:
                log.warning("deployments_not_published", waiting=len(self._waiting), reason=str(error))
                await asyncio.sleep(backoff.delay())
                continue
            backoff.reset()
            for deployment in batch:
                if self._waiting.get(deployment.domain) is deployment:
                    del self._waiting[deployment.domain]
            if not self._waiting:
                self._added.clear()
