"""Making dead letters out of messages, whatever is in them.

Of a message with a private key in the clear nothing is kept but who sent it. What the broker gave up carries the
broker's own account in `x-death`; since publishers can write that header too, it is believed only where it names one of
our queues, and what is to be known of the publication follows from the queue.
"""

from typing import Final

from shared.errors import Reason
from shared.events import MAX_BODY_BYTES, PUBLIC
from shared.messaging.attributes import Attributes
from shared.messaging.clear_keys import holds_private_key
from shared.messaging.codec import holds_key, key_reason, quoted
from shared.messaging.headers import plain, storable
from shared.messaging.names import PUBLIC_EXCHANGE, UNROUTABLE
from shared.messaging.topology import DELIVERY_LIMIT, service_queues
from shared.messaging.wire import Message
from shared.store.dead_letters import DeadLetter

_KEPT_OF_TOO_LARGE: Final = 4096  # bytes of a body that was too large: enough to see who sends such


def refused_letter(
    message: Message, *, service: str, queue: str, reasons: tuple[Reason, ...], attributes: Attributes
) -> DeadLetter:
    """Return what is kept of *message*, which came out of *queue* and was refused for *reasons*."""
    if holds_key(message):
        return _without_contents(message, service=service, queue=queue, attributes=attributes)
    too_large = len(message.body) > MAX_BODY_BYTES
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
        headers=plain(message.headers),
        body=message.body[:_KEPT_OF_TOO_LARGE] if too_large else message.body,
        is_whole=not too_large,
    )


def undelivered_letter(message: Message, *, service: str, queue: str, attributes: Attributes) -> DeadLetter:
    """Return what is kept of *message*, which the broker moved to *queue* because nobody took it."""
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
        "not_handled",
        f"{service} failed {DELIVERY_LIMIT + 1} times to handle it: its log says why; replay when that is mended",
    )
    return refused_letter(published, service=service, queue=died_in or queue, reasons=(reason,), attributes=attributes)


def _no_route(event_type: str) -> Reason:
    if event_type in PUBLIC:
        return Reason("unroutable", "there was no queue for its type: run `certsmith migrate`, then replay it")
    return Reason("unroutable", f"there is no type {quoted(event_type)}; the types are {', '.join(sorted(PUBLIC))}")


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
