"""A message as it is on the wire: bytes, headers and a few properties, before anything in it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable, FieldValue

PERSISTENT = 2  # AMQP 0-9-1: delivery-mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of AMQP 0-9-1, coming in or going out.

    *exchange* and *routing_key* are those of its publication. Of what comes in nothing is checked: a header may hold
    any type that AMQP knows. *user_id* was verified by the broker where there is one.
    """

    exchange: str
    routing_key: str
    body: bytes = field(repr=False)
    headers: Mapping[str, FieldValue] = field(default_factory=dict, repr=False)
    content_type: str | None = None
    content_encoding: str | None = None
    message_id: str | None = None
    correlation_id: str | None = None
    user_id: str | None = None

    def properties(self) -> Basic.Properties:
        """Return the properties to publish this with; always persistent."""
        headers: FieldTable = dict(self.headers)
        return Basic.Properties(
            content_type=self.content_type,
            content_encoding=self.content_encoding,
            headers=headers,
            delivery_mode=PERSISTENT,
            correlation_id=self.correlation_id,
            message_id=self.message_id,
            user_id=self.user_id,
        )


def message_of(delivered: DeliveredMessage) -> Message:
    """Return what was *delivered*."""
    properties = delivered.header.properties
    return Message(
        exchange=delivered.exchange or "",
        routing_key=delivered.routing_key or "",
        body=delivered.body,
        headers=properties.headers or {},
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        message_id=properties.message_id,
        correlation_id=properties.correlation_id,
        user_id=properties.user_id,
    )
