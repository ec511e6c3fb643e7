"""Making dead letters out of messages, whatever they contain.

Of a message with a private key in the clear only the sender is kept, and of an upload no long text. A message that the
broker gave up carries the broker's history in the header `x-death`. Publishers can write that header too, so it is
trusted only if it names one of the service's queues, and exchange and type of the message are derived from that queue.
"""

import json
from typing import Final

from shared.errors import Reason, RefusedError
from shared.events import MAX_BODY_BYTES, PUBLIC, CertificateUploaded, Data, JsonObject, ReasonCode
from shared.messaging.broker.names import PUBLIC_EXCHANGE, UNROUTABLE
from shared.messaging.broker.topology import DELIVERY_LIMITS, service_queues
from shared.messaging.codec.attributes import Attributes, attributes_and_data
from shared.messaging.codec.clear_keys import holds_private_key
from shared.messaging.codec.cloudevents import holds_key, key_reason, quoted
from shared.messaging.codec.headers import plain, storable
from shared.messaging.codec.rejections import rejection_of
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.inbox.shortened import is_upload, shortened, shortened_body
from shared.messaging.message import Message

_KEPT_OF_TOO_LARGE: Final = 4096  # bytes of a body that was too large: enough to recognise its sender


def refused_letter(
    message: Message, *, service: str, queue: str, reasons: tuple[Reason, ...], attributes: Attributes
) -> DeadLetter:
    """Return the dead letter of *message*, which came out of *queue* and was refused for *reasons*."""
    if holds_key(message):
        return _without_contents(message, service=service, queue=queue, attributes=attributes)
    body, headers, is_whole = _kept(message, attributes)
    return DeadLetter(
        service=service,
        queue=queue,
        exchange=storable(message.exchange),
        routing_key=storable(message.routing_key),
        reason_code=reasons[0].code,
        reason=storable("; ".join(reason.message for reason in reasons)),
        type=attributes.type or storable(message.routing_key),
        event_id=attributes.id,
        source=attributes.source,
        user_id=_stored(message.user_id),
        correlation_id=attributes.correlation_id,
        message_id=_stored(message.message_id),
        content_type=_stored(message.content_type),
        headers=headers,
        body=body,
        is_whole=is_whole,
    )


def undelivered_letter(message: Message, *, service: str, queue: str, attributes: Attributes) -> DeadLetter:
    """Return the dead letter of *message*, which the broker moved to *queue* because it was not handled."""
    if queue == UNROUTABLE:
        reason = _no_route(message.routing_key)
        return refused_letter(message, service=service, queue=queue, reasons=(reason,), attributes=attributes)
    died_in = _died_in(message, service)
    published = Message(
        exchange=PUBLIC_EXCHANGE,
        routing_key=died_in.removeprefix(f"{service}.") if died_in else attributes.type or message.routing_key,
        body=message.body,
        headers=message.headers,
        content_type=message.content_type,
        message_id=message.message_id,
        user_id=message.user_id,
    )
    reason = Reason(
        ReasonCode.NOT_HANDLED,
        f"{service} failed {DELIVERY_LIMITS[service] + 1} times to handle it: its log says why; when that is fixed, "
        "replay it, or publish it again if it is an upload",
    )
    return refused_letter(published, service=service, queue=died_in or queue, reasons=(reason,), attributes=attributes)


def answer_to(letter: DeadLetter, message: Message) -> Data | None:
    """Return `certificate.rejected` for an upload whose *letter* cannot be replayed; None for other letters."""
    if letter.is_whole or letter.routing_key != CertificateUploaded.type:
        return None
    try:
        attributes, data = attributes_and_data(message)
    except RefusedError:
        return None
    reasons = (Reason(letter.reason_code, letter.reason),)
    return rejection_of(letter.routing_key, data, event_id=attributes.id, reasons=reasons)


def _kept(message: Message, attributes: Attributes) -> tuple[bytes, JsonObject, bool]:
    """Return body and headers as they are kept, and whether they are complete."""
    body, headers = message.body, plain(message.headers)
    if is_upload((attributes.type, message.routing_key), body):
        short_headers = {name: shortened(value) for name, value in headers.items()}
        return json.dumps(shortened_body(body)).encode(), short_headers, False
    if len(body) > MAX_BODY_BYTES:
        return body[:_KEPT_OF_TOO_LARGE], headers, False
    return body, headers, True


def _no_route(event_type: str) -> Reason:
    if event_type in PUBLIC:
        return Reason(
            ReasonCode.UNROUTABLE,
            "there was no queue for its type: run `certsmith migrate`, then replay it, or publish it again if it is "
            "an upload",
        )
    return Reason(
        ReasonCode.UNROUTABLE, f"there is no type {quoted(event_type)}; the types are {', '.join(sorted(PUBLIC))}"
    )


def _without_contents(message: Message, *, service: str, queue: str, attributes: Attributes) -> DeadLetter:
    reason = key_reason()
    return DeadLetter(
        service=service,
        queue=queue,
        exchange=_without_key(message.exchange) or "",
        routing_key=_without_key(message.routing_key) or "",
        reason_code=reason.code,
        reason=reason.message,
        type=_without_key(attributes.type),
        event_id=_without_key(attributes.id),
        source=_without_key(attributes.source),
        user_id=_stored(message.user_id),
        correlation_id=_without_key(attributes.correlation_id),
        is_whole=False,
    )


def _died_in(message: Message, service: str) -> str | None:
    match message.headers.get("x-death"):
        case [{"queue": str(queue)}, *_] if queue in service_queues(service):
            return queue
        case _:
            return None


def _stored(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _without_key(text: str | None) -> str | None:
    return None if text is None or holds_private_key(text.encode(errors="replace")) else storable(text)
