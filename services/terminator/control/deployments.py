"""Tells what was deployed: in batches, again and again until the store has taken it."""

import asyncio
from typing import Final

import structlog

from services.terminator.ports import Deployment, Store
from shared.errors import StoreUnavailableError

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_BATCH: Final = 200
_FIRST_DELAY_SECONDS: Final = 0.1
_MAX_DELAY_SECONDS: Final = 5.0


class Telling:
    """The deployments that are to be told; of one domain only the newest."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, Deployment] = {}
        self._added = asyncio.Event()

    def add(self, deployment: Deployment) -> None:
        """Have *deployment* told."""
        known = self._waiting.get(deployment.domain)
        if known is None or known.version < deployment.version:
            self._waiting[deployment.domain] = deployment
            self._added.set()

    async def run(self) -> None:
        """Tell, until cancelled."""
        delay = _FIRST_DELAY_SECONDS
        while True:
            await self._added.wait()
            batch = list(self._waiting.values())[:_BATCH]
            try:
                await self._store.tell_deployed(batch)
            except StoreUnavailableError as error:
                log.warning("deployments_not_told", waiting=len(self._waiting), reason=str(error))
                await asyncio.sleep(delay)
                delay = min(2 * delay, _MAX_DELAY_SECONDS)
                continue
            delay = _FIRST_DELAY_SECONDS
            for deployment in batch:
                if self._waiting.get(deployment.domain) is deployment:
                    del self._waiting[deployment.domain]
            if not self._waiting:
                self._added.clear()
