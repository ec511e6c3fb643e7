"""Shortening a refused upload, so that its dead letter holds nothing that could be the sealed key.

People read dead letters, and they are kept for long; a sealed key must be erased with its verdict. In a malformed
message it may have any field name, but it is always a long text: so long texts are cut.
"""

from collections.abc import Collection, Mapping
from typing import Final

from pydantic import JsonValue

from shared.errors import RefusedError
from shared.events import CertificateUploaded, JsonObject
from shared.messaging.codec.strict_json import read_object

CUT: Final = "…"
_MAX_TEXT: Final = 255  # a sealed key has at least 400 characters
_FIELD: Final = b'"sealed"'


def is_upload(types: Collection[str | None], body: bytes) -> bool:
    """Return whether a message that claims one of *types* is an upload, or looks like one sent to a wrong place."""
    return CertificateUploaded.type in types or _FIELD in body


def shortened_body(body: bytes) -> JsonObject:
    """Return the JSON object *body* with its long texts cut; an empty object if *body* is not a JSON object."""
    try:
        return {name: shortened(value) for name, value in read_object(body).items()}
    except RefusedError:
        return {}


def shortened(value: JsonValue) -> JsonValue:
    """Return *value* with its long texts cut."""
    match value:
        case str():
            return value if len(value) <= _MAX_TEXT else CUT
        case Mapping():
            return {name: shortened(each) for name, each in value.items()}
        case list():
            return [shortened(each) for each in value]
        case _:
            return value
