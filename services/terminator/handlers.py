"""The events that the terminator listens to, one method each.

They are hints: an event says that a row may have changed, and the row says what is served now. So a hint may arrive
twice, late or not at all; the node reads the row, and polls the store for changes whose hints were lost.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from shared.events import NO_CAUSE, Cause, CertificateReady, CertificateRevoked, DomainChanged, Incoming

HINTS: Final = (CertificateReady.type, CertificateRevoked.type, DomainChanged.type)


class Hinted(Protocol):
    """The object that acts on hints: the node."""

    def hint(self, domain: str, *, cause: Cause = NO_CAUSE) -> None:
        """Read the row of *domain* again: it may have changed."""

    def hint_certificate(self, certificate_id: str, *, cause: Cause = NO_CAUSE) -> None:
        """Read the rows of all domains again that may be served with this certificate."""

    def catch_up(self) -> None:
        """Look for changes whose hints were lost."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """The terminator's reactions to events."""

    node: Hinted

    async def on_event(self, event: Incoming) -> None:
        """Pass *event* to its handler."""
        match event.data:
            case CertificateReady() as ready:
                self.on_certificate_ready(ready, event.cause)
            case DomainChanged() as changed:
                self.on_domain_changed(changed, event.cause)
            case CertificateRevoked() as revoked:
                self.on_certificate_revoked(revoked, event.cause)
            case _:
                raise AssertionError(event.type)

    async def on_connected(self) -> None:
        """Catch up: events that were published while RabbitMQ was unavailable did not reach this node."""
        self.node.catch_up()

    def on_certificate_ready(self, ready: CertificateReady, cause: Cause) -> None:
        """Hint at each domain that the certificate was attached to."""
        for item in ready.domains:
            self.node.hint(item.domain, cause=cause)

    def on_domain_changed(self, changed: DomainChanged, cause: Cause) -> None:
        """Hint at the domain."""
        self.node.hint(changed.domain, cause=cause)

    def on_certificate_revoked(self, revoked: CertificateRevoked, cause: Cause) -> None:
        """Hint at all domains that may be served with the certificate."""
        self.node.hint_certificate(revoked.certificate_id, cause=cause)
