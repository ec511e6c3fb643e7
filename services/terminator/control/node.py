"""A node: its workers, and what it knows. Only the connections to broker and database are made elsewhere (`app`)."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog

from services.terminator import messages
from services.terminator.control import default_certificate
from services.terminator.control.answers import Answers
from services.terminator.control.catalogue import Catalogue
from services.terminator.control.deployments import Deployments
from services.terminator.control.offers import Offers
from services.terminator.control.sockets import Slot, port_of
from services.terminator.control.swaps import Swaps
from services.terminator.control.workers import Patience, Workers
from services.terminator.metrics import CACHE_ENTRIES, add_counters, set_gauges
from services.terminator.ports import Store
from services.terminator.settings import TerminatorSettings
from shared.errors import StoreUnavailableError
from shared.events import NO_CAUSE, Cause
from shared.vault import KeyReader

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_GAUGE_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 5.0  # of the grace period remain for the control process: to publish, and to disconnect


class Node:
    """Serves the domains of *store* on *slots*, with keys that *reader* opens."""

    def __init__(
        self,
        settings: TerminatorSettings,
        slots: tuple[Slot, ...],
        store: Store,
        reader: KeyReader,
        *,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store
        self._poll_seconds = settings.poll_seconds
        self._behind = asyncio.Event()
        self._catalogue = Catalogue(
            store,
            size=settings.max_names,
            unknown_seconds=settings.unknown_seconds,
            on_evicted=self._on_evicted,
        )
        self._offers = Offers(reader, lambda: datetime.now(UTC))
        self._answers = Answers(self._catalogue, self._offers, store)
        self._deployments = Deployments(store)
        self.workers = Workers(
            slots,
            _begin(settings, slots),
            on_question=self._answers.on_question,
            on_metrics=add_counters,
            patience=patience,
        )
        self._swaps = Swaps(self._catalogue, self._offers, self.workers, self._deployments)

    @property
    def is_settled(self) -> bool:
        """Whether all hints have been acted on."""
        return self._swaps.are_done

    def hint(self, domain: str, *, cause: Cause = NO_CAUSE) -> None:
        """Read the row of *domain* again: it may have changed."""
        self._swaps.hint(domain, cause=cause)

    def hint_certificate(self, certificate_id: str, *, cause: Cause = NO_CAUSE) -> None:
        """Read the rows of all domains again that may be served with this certificate."""
        self._swaps.hint_certificate(certificate_id, cause=cause)

    def catch_up(self) -> None:
        """Ask the store for changes now instead of at the next poll: hints may have been lost."""
        self._behind.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until *stop* is set; then drain, at most for the grace period."""
        async with asyncio.TaskGroup() as tasks:
            chores = [
                tasks.create_task(self._answers.run()),
                tasks.create_task(self._swaps.run()),
                tasks.create_task(self._deployments.run()),
                tasks.create_task(self._keep_up()),
                tasks.create_task(self._set_gauges()),
            ]
            await self.workers.run(stop)
            for chore in chores:
                chore.cancel()

    def _on_evicted(self, name: str) -> None:
        self.workers.drop_soon(name)

    async def _keep_up(self) -> None:
        """Ask the store for changes whenever hints may have been lost, and at every poll."""
        while True:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._behind.wait()
            except TimeoutError:
                pass
            self._behind.clear()
            try:
                await self._swaps.catch_up(self._store)
            except StoreUnavailableError as error:
                log.warning("catch_up_failed", reason=str(error))
                await asyncio.sleep(1)
                self._behind.set()

    async def _set_gauges(self) -> None:
        while True:
            rows, unknown = self._catalogue.sizes
            CACHE_ENTRIES.labels("rows").set(rows)
            CACHE_ENTRIES.labels("nobodys").set(unknown)  # the label that operators' dashboards know
            set_gauges(self.workers.gauges)
            await asyncio.sleep(_GAUGE_SECONDS)


def _begin(settings: TerminatorSettings, slots: tuple[Slot, ...]) -> messages.Begin:
    if settings.default_certificate_file is not None and settings.default_key_file is not None:
        chain, key = default_certificate.load(settings.default_certificate_file, settings.default_key_file)
    else:
        chain, key = default_certificate.make(datetime.now(UTC))
    ports = {port_of(slots[0].https), port_of(slots[0].http), settings.metrics_port or 0}
    return messages.Begin(
        handshake_seconds=settings.handshake_seconds,
        connect_seconds=settings.connect_seconds,
        idle_seconds=settings.idle_seconds,
        grace_seconds=max(settings.grace_seconds - _LAST_SECONDS, settings.grace_seconds / 2),
        max_handshakes=settings.max_handshakes,
        max_connections=settings.max_connections,
        max_contexts=settings.max_contexts,
        redirect_port=settings.redirect_port,
        own_ports=tuple(sorted(ports)),
        upstream_allow=settings.upstream_allow,
        upstream_deny=settings.upstream_deny,
        default_chain=chain,
        default_key=key,
    )
