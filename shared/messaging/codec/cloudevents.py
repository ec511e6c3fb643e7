"""Between events and messages: CloudEvents 1.0 over AMQP 0-9-1.

Three forms come in (https://github.com/cloudevents/spec, and the RabbitMQ binding of Knative eventing-rabbitmq):

* *binary*: attributes in headers `ce-…`, the body is the data;
* *structured*: content type `application/cloudevents+json`, the body holds attributes and data;
* *bare*: the body is the data, the routing key names the type. It has no id, so a copy of it cannot be recognised.

Messages go out in the binary form, made by the `cloudevents` package. Its reader is not used: it invents an id and a
time where they are missing, reads a body that is not JSON as a string, and accepts NaN and duplicate names.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from cloudevents.core.bindings import rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import ValidationError

from shared.errors import Reason, RefusedError
from shared.events import MAX_BODY_BYTES, PUBLIC, TYPES, Cause, Data, Event, Incoming, JsonObject, ReasonCode
from shared.messaging.broker.frame_guard import UNREADABLE
from shared.messaging.broker.names import EVENTS_EXCHANGE, PUBLIC_EXCHANGE
from shared.messaging.codec.attributes import Attributes, attributes_and_data
from shared.messaging.codec.clear_keys import holds_private_key
from shared.messaging.codec.headers import plain
from shared.messaging.codec.rejections import rejection_of
from shared.messaging.message import Message

_JSON: Final = "application/json"
_MAX_REASONS: Final = 20


def attributes_of(event: Event) -> dict[str, object]:
    """Return *event*'s CloudEvents attributes."""
    extensions = {"correlationid": event.cause.correlation_id, "traceparent": event.cause.traceparent}
    return {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": _JSON,
        **{name: value for name, value in extensions.items() if value},
    }


def encode(event: Event) -> Message:
    """Return the message that publishes *event*."""
    return encode_parts(attributes_of(event), event.payload)


def encode_parts(attributes: Mapping[str, object], data: JsonObject) -> Message:
    """Return the message of a CloudEvent with these *attributes* and this *data*."""
    event_type = str(attributes["type"])
    binary = rabbitmq.to_binary(CloudEvent(dict(attributes), data), JSONFormat())
    return Message(
        exchange=PUBLIC_EXCHANGE if event_type in PUBLIC else EVENTS_EXCHANGE,
        routing_key=event_type,
        body=binary.body,
        headers=binary.headers,
        content_type=binary.content_type,
        message_id=str(attributes["id"]),
    )


def decode(message: Message, *, expected: str | None, received_at: datetime) -> Incoming:
    """Return the event that *message* carries, of type *expected* where that is given.

    Raises:
        RefusedError: it carries no event that can be acted on. The error has the reasons and, if domain or certificate
            are known, the fact that answers the publisher. No other error is raised, whatever the bytes.
    """
    if holds_key(message):
        raise _key_refusal(message)
    _check_envelope(message, expected=expected)
    attributes, data = attributes_and_data(message)
    if attributes.type is not None and attributes.type != message.routing_key:
        raise _refusal(
            ReasonCode.TYPE_MISMATCH, f"ce-type is {quoted(attributes.type)}, routing key {quoted(message.routing_key)}"
        )
    return Incoming(
        data=_model(message, attributes, data),
        id=attributes.id,
        source=attributes.source,
        user_id=message.user_id or "",
        time=attributes.time,
        received_at=received_at,
        cause=Cause(attributes.correlation_id or attributes.id or str(uuid.uuid4()), attributes.traceparent),
    )


def holds_key(message: Message) -> bool:
    """Return whether any part of *message* that its publisher wrote holds a private key in the clear."""
    texts = (message.routing_key, message.content_type, message.message_id, message.correlation_id)
    parts = (message.body, json.dumps(plain(message.headers)).encode(), json.dumps(texts).encode())
    return any(holds_private_key(part) for part in parts)


def key_reason() -> Reason:
    """Return the reason for refusing a message with a private key in the clear; it quotes nothing of the message."""
    return Reason(
        ReasonCode.KEY_IN_THE_CLEAR,
        "the message holds a private key in the clear: treat that key as compromised, revoke what it certifies, "
        "make a new one, and seal it before sending it",
    )


def _check_envelope(message: Message, *, expected: str | None) -> None:
    if UNREADABLE in message.headers:
        raise _refusal(
            ReasonCode.UNREADABLE_PROPERTIES, "the message's properties or headers cannot be read as AMQP 0-9-1"
        )
    if len(message.body) > MAX_BODY_BYTES:
        raise _refusal(ReasonCode.TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES // 1024} KiB")
    if (message.content_encoding or "").lower() not in ("", "identity", "utf-8", "utf8"):
        raise _refusal(ReasonCode.CONTENT_ENCODING, "the body is encoded; send it as plain JSON in UTF-8")
    if message.routing_key not in TYPES:
        raise _refusal(
            ReasonCode.UNKNOWN_TYPE,
            f"there is no type {quoted(message.routing_key)}; the types are {', '.join(sorted(PUBLIC))}",
        )
    if expected is not None and message.routing_key != expected:  # routed by CC, BCC or a stray binding
        raise _refusal(
            ReasonCode.TYPE_MISMATCH,
            f"a message of type {quoted(message.routing_key)} came into a queue for {expected}",
        )


def _model(message: Message, attributes: Attributes, data: JsonObject) -> Data:
    try:
        return TYPES[message.routing_key].model_validate(data)
    except ValidationError as error:
        reasons = tuple(
            _reason(item["type"], item["loc"], item["msg"]) for item in error.errors(include_input=False)[:_MAX_REASONS]
        )
    fact = rejection_of(message.routing_key, data, event_id=attributes.id or message.message_id, reasons=reasons)
    raise RefusedError(*reasons, fact=fact)


def _reason(kind: str, location: tuple[int | str, ...], text: str) -> Reason:
    where = quoted(".".join(str(part) for part in location))
    match kind:
        case "missing":
            return Reason(ReasonCode.MISSING_FIELD, f"the field {where} is missing")
        case "extra_forbidden":
            return Reason(ReasonCode.UNKNOWN_FIELD, f"there is no field {where}")
        case _:
            return Reason(ReasonCode.INVALID_FIELD, f"the field {where} is wrong: {text[:200]}")


def _key_refusal(message: Message) -> RefusedError:
    reason = key_reason()
    try:
        attributes, data = attributes_and_data(message)
    except RefusedError:
        return RefusedError(reason)
    fact = rejection_of(message.routing_key, data, event_id=attributes.id or message.message_id, reasons=(reason,))
    if fact is not None and holds_private_key(fact.model_dump_json().encode()):
        fact = None
    return RefusedError(reason, fact=fact)


def _refusal(code: str, sentence: str) -> RefusedError:
    return RefusedError(Reason(code, sentence))


def quoted(text: str) -> str:
    """Return the untrusted *text*, made short and printable, for use in a sentence."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return f"`{shown[:80]}`"
