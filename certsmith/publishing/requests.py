"""Builds requests from what people typed, and checks them by the services' own rules before anything is sent."""

import json
from datetime import UTC, datetime
from typing import Final

from shared import upstreams
from shared.errors import RefusedError
from shared.events import PUBLIC, Cause, Event, JsonObject
from shared.identifiers import new_event_id
from shared.messaging.broker.names import PUBLIC_EXCHANGE, source_of
from shared.messaging.codec.cloudevents import decode
from shared.messaging.message import Message
from shared.names import Name, NameRefusedError, normalize
from shared.upstreams import UpstreamRefusedError

SOURCE: Final = source_of("cli")


def request_event(
    request_type: str, data: JsonObject, *, event_id: str | None = None, correlation_id: str | None = None
) -> Event:
    """Return the event that requests *data*, its domains normalized.

    *data* must have `domain`, unless it has `certificate_id`.

    Raises:
        RefusedError: the services would refuse the request, for these reasons.
    """
    fields = {**data, **_names(data)}
    _check_upstream(fields.get("upstream"))
    ids = {
        "id": new_event_id() if event_id is None else event_id,
        "correlationid": new_event_id() if correlation_id is None else correlation_id,
    }
    _check_message(request_type, fields, ids)
    return Event(
        data=PUBLIC[request_type].model_validate(fields),
        source=SOURCE,
        id=ids["id"],
        cause=Cause(ids["correlationid"]),
    )


def _check_message(request_type: str, data: JsonObject, ids: dict[str, str]) -> None:
    """Decode the message as its consumer will; raises `RefusedError` where the consumer would."""
    attributes = {"specversion": "1.0", "type": request_type, "source": SOURCE, **ids}
    message = Message(
        exchange=PUBLIC_EXCHANGE,
        routing_key=request_type,
        body=json.dumps(data).encode(),
        headers={f"ce-{name}": value for name, value in attributes.items()},
        content_type="application/json",
    )
    decode(message, expected=request_type, received_at=datetime.now(UTC))


def _names(data: JsonObject) -> JsonObject:
    """Return the fields of *data* that hold domains, normalized."""
    found: JsonObject = {}
    if "domain" in data or "certificate_id" not in data:
        found["domain"] = _name(data.get("domain"))
    if isinstance(hosts := data.get("attach"), list):
        found["attach"] = [_name(host) for host in hosts]
    return found


def _name(text: object) -> Name:
    try:
        return normalize(str(text or ""))
    except NameRefusedError as error:
        raise RefusedError(error.reason) from error


def _check_upstream(text: object) -> None:
    if text is None:
        return
    try:
        upstreams.parse(str(text))
    except UpstreamRefusedError as error:
        raise RefusedError(error.reason) from error
