"""Requests as people type them, checked by the rules that the services use, before anything is sent."""

from datetime import UTC, datetime

from shared import upstreams
from shared.errors import RefusedError
from shared.events import PUBLIC, Event, JsonObject, Request
from shared.identifiers import new_event_id
from shared.messaging.codec import decode, encode_parts
from shared.messaging.names import source_of
from shared.names import NameRefusedError, normalize
from shared.upstreams import UpstreamRefusedError

SOURCE = source_of("cli")


def request_event(
    request_type: str, data: JsonObject, *, event_id: str | None = None, correlation_id: str | None = None
) -> Event:
    """Return the event that asks for *data*, its domain in the form that is stored.

    Raises:
        RefusedError: the services would refuse it, for these reasons.
    """
    said = {**data, "domain": _name(str(data.get("domain", "")))}
    _check_upstream(said.get("upstream"))
    event_id = event_id or new_event_id()
    attributes = {"specversion": "1.0", "id": event_id, "type": request_type, "source": SOURCE}
    if correlation_id is not None:
        attributes["correlationid"] = correlation_id
    decode(encode_parts(attributes, said), expected=request_type, received_at=datetime.now(UTC))
    return Event(
        data=_model(request_type, said), source=SOURCE, id=event_id, correlation_id=correlation_id or new_event_id()
    )


def _model(request_type: str, data: JsonObject) -> Request:
    return PUBLIC[request_type].model_validate(data)


def _name(text: str) -> str:
    try:
        return normalize(text)
    except NameRefusedError as error:
        raise RefusedError(error.reason) from error


def _check_upstream(text: object) -> None:
    if text is None:
        return
    try:
        upstreams.parse(str(text))
    except UpstreamRefusedError as error:
        raise RefusedError(error.reason) from error
