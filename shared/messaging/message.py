"""An AMQP message of ours: bytes, headers and a few properties, before anything in it is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from pamqp.common import FieldValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An AMQP 0-9-1 message, incoming or outgoing.

    *exchange* and *routing_key* are those that it was published with. Nothing in an incoming message is checked: a
    header may hold any type that AMQP knows. *user_id*, where there is one, was verified by the broker.
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


def outgoing(message: Message, *, user_id: str) -> aio_pika.Message:
    """Return *message* as the library publishes it: persistent, and in the name of the broker's user *user_id*."""
    return aio_pika.Message(
        message.body,
        headers=dict(message.headers),
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        correlation_id=message.correlation_id,
        message_id=message.message_id,
        user_id=user_id,
    )


def message_of(incoming: AbstractIncomingMessage) -> Message:
    """Return the delivery *incoming* as a message of ours."""
    return Message(
        exchange=incoming.exchange or "",
        routing_key=incoming.routing_key or "",
        body=incoming.body,
        headers=incoming.headers,
        content_type=incoming.content_type,
        content_encoding=incoming.content_encoding,
        message_id=incoming.message_id,
        correlation_id=incoming.correlation_id,
        user_id=incoming.user_id,
    )
