"""Publishes facts about the registry, in the transaction that changes it."""

from shared.events import Cause, Data, DomainChanged, Event
from shared.messaging import outbox
from shared.registry.domains import Domain
from shared.store import Connection


async def publish(connection: Connection, data: Data, *, service: str, cause: Cause) -> None:
    """Publish *data* as a fact of *service*, once this transaction commits."""
    await outbox.publish(connection, service=service, event=Event(data=data, source=service, cause=cause))


async def publish_changed(connection: Connection, domain: Domain, *, service: str, cause: Cause) -> None:
    """Publish that the row of *domain* has changed, once this transaction commits."""
    data = DomainChanged(domain=domain.name, version=domain.version, deleted=domain.is_deleted)
    await publish(connection, data, service=service, cause=cause)
