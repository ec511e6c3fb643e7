"""AMQP headers as JSON, to store them, and back, to send them again.

Publishers may use types of AMQP that JSON lacks: bytes become an object with one name, values nested too deep are cut,
and all others become their text.
"""

import base64
import math
from collections.abc import Mapping
from typing import Final

from pamqp.common import FieldTable, FieldValue
from pydantic import JsonValue

from shared.events import JsonObject

_BYTES: Final = "$bytes"
_CUT: Final = "…"
_MAX_DEPTH: Final = 8
_BY_THE_BROKER: Final = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")


def storable(text: str) -> str:
    """Return *text* without what PostgreSQL cannot store: U+0000 and halves of surrogate pairs become `?`."""
    return text.encode(errors="replace").decode().replace("\x00", "?")


def plain(headers: Mapping[str, object]) -> JsonObject:
    """Return *headers* as a JSON object that can be stored."""
    return {storable(name): _plain(value, _MAX_DEPTH) for name, value in headers.items()}


def restored(headers: JsonObject) -> FieldTable:
    """Return the AMQP headers that `plain` was given, without those that the broker adds."""
    return {name: _restored(value) for name, value in headers.items() if not name.startswith(_BY_THE_BROKER)}


def _plain(value: object, depth: int) -> JsonValue:
    match value:
        case None | bool() | int() | float() if value is None or math.isfinite(value):
            return value
        case bytes() | bytearray():
            return {_BYTES: base64.b64encode(value).decode()}
        case Mapping() | list() if depth == 0:
            return _CUT
        case Mapping():
            return {storable(str(name)): _plain(each, depth - 1) for name, each in value.items()}
        case list():
            return [_plain(each, depth - 1) for each in value]
        case _:
            return storable(str(value))


def _restored(value: JsonValue) -> FieldValue:
    match value:
        case {"$bytes": str(encoded)}:
            return base64.b64decode(encoded)
        case dict():
            return {name: _restored(each) for name, each in value.items()}
        case list():
            return [_restored(each) for each in value]
        case _:
            return value
