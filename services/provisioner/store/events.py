"""What the provisioner tells, written to the outbox in the transaction of the change."""

from typing import Final

from shared.events import Data, DomainChanged, Event
from shared.messaging import outbox
from shared.registry.domains import Domain
from shared.store import Connection

SERVICE: Final = "provisioner"


async def publish(connection: Connection, data: Data, *, correlation_id: str | None, traceparent: str | None) -> None:
    """Tell *data* once this transaction is committed."""
    event = Event(data=data, source=SERVICE, correlation_id=correlation_id, traceparent=traceparent)
    await outbox.publish(connection, service=SERVICE, event=event)


async def publish_changed(
    connection: Connection, domain: Domain, *, correlation_id: str | None, traceparent: str | None
) -> None:
    """Tell that the domain's row has changed."""
    data = DomainChanged(domain=domain.name, version=domain.version, deleted=domain.is_deleted)
    await publish(connection, data, correlation_id=correlation_id, traceparent=traceparent)
