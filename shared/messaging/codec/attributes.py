"""Reading the attributes and the data of a CloudEvent from a message in any of its three forms."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shared.errors import Reason, RefusedError
from shared.events import JsonObject, ReasonCode
from shared.messaging.codec.strict_json import read_object
from shared.messaging.message import Message

PREFIX: Final = "ce-"
MAX_ATTRIBUTE: Final = 255
_STRUCTURED: Final = "application/cloudevents"
_JSON_TYPE = re.compile(r"(?:application|text)/(?:[a-z0-9.-]+\+)?json")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context section 3.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The attributes that Certsmith uses; *type* and *id* are None in the bare form, which has neither."""

    type: str | None = None
    id: str | None = None
    source: str = ""
    time: datetime | None = None
    correlation_id: str | None = None
    traceparent: str | None = None


def attributes_and_data(message: Message) -> tuple[Attributes, JsonObject]:
    """Return the attributes of the event in *message*, and the event's data.

    Raises:
        RefusedError: it cannot be read, or lacks what CloudEvents requires.
    """
    media_type = (message.content_type or "").partition(";")[0].strip().lower()
    if media_type.startswith(_STRUCTURED):
        if media_type != f"{_STRUCTURED}+json":
            raise _refusal(
                ReasonCode.CONTENT_TYPE, "of the structured forms only application/cloudevents+json is accepted"
            )
        return _structured(message)
    if found := _headers(message.headers):
        if media_type and not _JSON_TYPE.fullmatch(media_type):
            raise _refusal(ReasonCode.CONTENT_TYPE, "the data must be JSON: content type application/json")
        return _attributes(found, message), read_object(message.body)
    return Attributes(correlation_id=_readable(message.correlation_id)), read_object(message.body)


def claimed(message: Message) -> Attributes:
    """Return the attributes that *message* claims outside its body, as far as they can be read; raises no error."""
    found = {name.lower(): _readable(value) for name, value in message.headers.items()}
    return Attributes(
        type=found.get(f"{PREFIX}type"),
        id=found.get(f"{PREFIX}id"),
        source=found.get(f"{PREFIX}source") or "",
        correlation_id=found.get(f"{PREFIX}correlationid") or _readable(message.correlation_id),
    )


def _structured(message: Message) -> tuple[Attributes, JsonObject]:
    document = read_object(message.body)
    data, encoded = document.pop("data", None), document.pop("data_base64", None)
    attributes = _attributes(document, message)
    if isinstance(encoded, str) and data is None:
        try:
            return attributes, read_object(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            raise _refusal(ReasonCode.MALFORMED_JSON, "data_base64 is not base64") from None
    if not isinstance(data, dict):
        raise _refusal(ReasonCode.MALFORMED_JSON, "the CloudEvent's data must be a JSON object")
    return attributes, data


def _headers(headers: Mapping[str, object]) -> dict[str, object]:
    """Return the attributes among *headers*; names are case-insensitive, since some clients change their case."""
    found: dict[str, object] = {}
    for header, value in headers.items():
        name = header.lower().removeprefix(PREFIX)
        if not header.lower().startswith(PREFIX):
            continue
        if name in found:
            raise _refusal(ReasonCode.MALFORMED_EVENT, f"the header {PREFIX}{name[:80]} occurs twice")
        found[name] = value
    return found


def _attributes(found: Mapping[str, object], message: Message) -> Attributes:
    if _text(found, "specversion", required=True) != "1.0":
        raise _refusal(ReasonCode.MALFORMED_EVENT, "the CloudEvents specversion must be 1.0")
    traceparent = _text(found, "traceparent") or ""
    return Attributes(
        type=_text(found, "type", required=True),
        id=_text(found, "id", required=True),
        source=_text(found, "source", required=True) or "",
        time=_time(_text(found, "time")),
        correlation_id=_text(found, "correlationid") or _readable(message.correlation_id),
        # Trace Context section 3.2: a receiver that cannot parse it starts a new trace.
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
    )


def _text(found: Mapping[str, object], name: str, *, required: bool = False) -> str | None:
    value = found.get(name)
    if value is None and not required:
        return None
    if value is None or value == "":
        raise _refusal(ReasonCode.MALFORMED_EVENT, f"the CloudEvents attribute {name} is missing")
    if not isinstance(value, str) or len(value) > MAX_ATTRIBUTE or not value.isprintable():
        raise _refusal(
            ReasonCode.MALFORMED_EVENT,
            f"the CloudEvents attribute {name} must be a text of at most {MAX_ATTRIBUTE} printable characters",
        )
    return value


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _refusal(
        ReasonCode.MALFORMED_EVENT, "the CloudEvents attribute time must be as 2026-01-31T12:00:00Z (RFC 3339)"
    )


def _readable(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= MAX_ATTRIBUTE and value.isprintable():
        return value
    return None


def _refusal(code: str, sentence: str) -> RefusedError:
    return RefusedError(Reason(code, sentence))
