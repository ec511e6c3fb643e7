"""Publishes the provisioner's events through the outbox, in the transaction of the change."""

from typing import Final

from shared.events import Cause, Data, DomainChanged, Event
from shared.messaging import outbox
from shared.registry.domains import Domain
from shared.store import Connection

SERVICE: Final = "provisioner"


async def publish(connection: Connection, data: Data, *, cause: Cause) -> None:
    """Publish *data* once this transaction is committed."""
    event = Event(data=data, source=SERVICE, cause=cause)
    await outbox.publish(connection, service=SERVICE, event=event)


async def publish_changed(connection: Connection, domain: Domain, *, cause: Cause) -> None:
    """Publish that the domain's row has changed."""
    data = DomainChanged(domain=domain.name, version=domain.version, deleted=domain.is_deleted)
    await publish(connection, data, cause=cause)
