"""What is kept of an upload that was refused: nothing that could be the sealed key.

A dead letter is read by people and kept for long; a sealed key is to be gone with its verdict. It may stand under any
name, since what is refused need not be well-formed, but it is a long text: so long texts are cut.
"""

from collections.abc import Collection, Mapping
from typing import Final

from pydantic import JsonValue

from shared.errors import RefusedError
from shared.events import CertificateUploaded, JsonObject
from shared.messaging.codec.strict_json import read_object

CUT: Final = "…"
_MAX_TEXT: Final = 255  # a sealed key has 400 characters at least
_FIELD: Final = b'"sealed"'


def is_upload(types: Collection[str | None], body: bytes) -> bool:
    """Say whether a message that says to be of one of *types* is an upload, or looks like one sent somewhere else."""
    return CertificateUploaded.type in types or _FIELD in body


def shortened_body(body: bytes) -> JsonObject:
    """Return the JSON object *body* with its long texts cut; nothing of it when it is none."""
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
