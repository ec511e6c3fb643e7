"""Waits for the end of a request: reads the database repeatedly, and shows each change."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from certsmith.database import operator_connection
from certsmith.exits import ExitCode
from certsmith.publishing.changeovers import changeover_of, deletion_of
from certsmith.publishing.progress import Progress, RequestOutcome, progress_of
from certsmith.publishing.upload_progress import upload_progress_of
from certsmith.terminal import Terminal
from shared.errors import StoreUnavailableError
from shared.events import (
    CertificateDeletionRequested,
    CertificateUploaded,
    DomainDeleted,
    DomainUpdated,
    Event,
    PublicRequest,
)
from shared.names import Name
from shared.registry import tenants
from shared.registry.views import certificates, fates, hosted, uploads
from shared.registry.views.model import HostedDomain
from shared.store import Connection

_POLL_SECONDS: Final = 0.1
_STYLES: Final = {
    RequestOutcome.SERVED: "green",
    RequestOutcome.REGISTERED: "green",
    RequestOutcome.DELETED: "green",
    RequestOutcome.ATTACHED: "green",
    RequestOutcome.DETACHED: "green",
    RequestOutcome.ACCEPTED: "green",
    RequestOutcome.REJECTED: "red",
    RequestOutcome.REFUSED: "red",
    RequestOutcome.FAILED: "red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWatch:
    """Follows *event*, published by the broker's user *user_id*, until it has ended."""

    event: Event
    user_id: str

    async def look(self, connection: Connection) -> Progress:
        """Return the event's progress now."""
        match self.event.data:
            case CertificateUploaded() as data:
                return await self._of_upload(connection, data)
            case CertificateDeletionRequested() as data:
                return await self._of_deletion(connection, data)
            case DomainUpdated() as data if "attached_certificate_id" in data.changes:
                return await self._of_changeover(connection, data)
            case PublicRequest() as data:
                return await self._of_domain(connection, data)
            case data:
                raise TypeError(f"{data.type} is not a request")

    async def _of_domain(self, connection: Connection, data: PublicRequest) -> Progress:
        fate = await self._fate(connection, "provisioner")
        domain = await _hosted(connection, data.key, data.tenant)
        return progress_of(fate, domain, deletes=isinstance(data, DomainDeleted), now=datetime.now(UTC))

    async def _of_changeover(self, connection: Connection, data: DomainUpdated) -> Progress:
        fate = await self._fate(connection, "provisioner")
        domain = await _hosted(connection, data.key, data.tenant)
        return changeover_of(fate, domain, wanted=data.attached_certificate_id, now=datetime.now(UTC))

    async def _of_deletion(self, connection: Connection, data: CertificateDeletionRequested) -> Progress:
        fate = await self._fate(connection, "validator")
        found = await certificates.named(connection, data.certificate_id)
        return deletion_of(fate, found if found is not None and found.tenant == data.tenant else None)

    async def _of_upload(self, connection: Connection, data: CertificateUploaded) -> Progress:
        fate = await self._fate(connection, "validator")  # read first: if it was seen, its record exists by now
        upload = await uploads.named(connection, data.certificate_id)
        attached = {name: await _hosted(connection, name, data.tenant) for name in data.attach}
        return upload_progress_of(
            fate,
            upload,
            correlation_id=self.event.cause.correlation_id,
            attached=attached,
            may_upload=await tenants.uploads_allowed(connection, data.tenant, default=True),
        )

    async def _fate(self, connection: Connection, consumer: str) -> fates.Fate:
        return await fates.of_event(
            connection, consumer=consumer, user_id=self.user_id, source=self.event.source, event_id=self.event.id
        )


async def _hosted(connection: Connection, name: str, tenant: str) -> HostedDomain | None:
    found = await hosted.named(connection, Name(name), tenant=tenant)
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitResult:
    """The progress at the end of the wait; without an outcome, the time ran out first."""

    progress: Progress
    seconds: float

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command that waited."""
        outcome = self.progress.outcome
        return ExitCode.NOT_YET if outcome is None else outcome.exit_code

    @property
    def document(self) -> dict[str, object]:
        """The result as JSON."""
        return {**self.progress.document, "seconds": round(self.seconds, 3)}

    @property
    def line(self) -> Text:
        """The result as a line for people."""
        if self.progress.outcome is None:
            return Text.assemble(
                (f"not finished after {self.seconds:.1f} s", "yellow"),
                f": {self.progress.state}, {self.progress.sentence}; the services continue",
            )
        return Text.assemble(
            (f"{self.progress.outcome} after {self.seconds:.2f} s", _STYLES[self.progress.outcome]),
            f": {self.progress.sentence}",
        )


async def wait_for(
    watch: RequestWatch, database_url: str, terminal: Terminal, *, begin: Callable[[], Awaitable[None]], seconds: float
) -> WaitResult:
    """Publish the event of *watch* by calling *begin*, and follow it for up to *seconds*.

    Raises:
        StoreUnavailableError: the database does not answer; if it never did, nothing was published.
    """
    last: Progress | None = None
    async with operator_connection(database_url) as connection:
        await begin()
        began = time.monotonic()
        try:
            with terminal.err.status("waiting") as status:
                async for last in _changes(watch, connection, until=began + seconds):
                    if last.outcome is None:
                        elapsed = Text(f"{time.monotonic() - began:7.2f} s  ", "dim")
                        terminal.say(elapsed.append(f"{last.state:<12} {last.sentence}", ""))
                        status.update(last.state)
        except StoreUnavailableError as error:
            raise StoreUnavailableError(f"event {watch.event.id} was published, but then {error}") from error
    assert last is not None  # the first look gives one
    return WaitResult(progress=last, seconds=time.monotonic() - began)


async def _changes(watch: RequestWatch, connection: Connection, *, until: float) -> AsyncIterator[Progress]:
    """Yield each new progress; end after one with an outcome, or at *until*."""
    last: Progress | None = None
    while True:
        progress = await watch.look(connection)
        if progress != last:
            yield progress
        if progress.outcome is not None or time.monotonic() >= until:
            return
        last = progress
        await asyncio.sleep(_POLL_SECONDS)
