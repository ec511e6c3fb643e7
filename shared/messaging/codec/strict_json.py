"""Untrusted JSON, read strictly: RFC 8259, and I-JSON (RFC 7493) where that leaves a choice.

Anything that two readers could understand differently is refused: duplicate names, NaN and Infinity, numbers beyond the
range of a double. So is text that PostgreSQL cannot store: U+0000, and half of a surrogate pair. Refusals never quote
the text.
"""

import json
import math
import re
from typing import Final, NoReturn

from shared.errors import Reason, RefusedError
from shared.events import JsonObject, ReasonCode

MAX_DEPTH: Final = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_DIGITS: Final = 20  # 2^64 has 20; more would be arbitrary precision, at quadratic cost


class _NotIJsonError(ValueError):
    """JSON that is refused; the text is a sentence for people."""


def read_object(body: bytes) -> JsonObject:
    """Return *body*, parsed as a JSON object.

    Raises:
        RefusedError: *body* is not a JSON object, or breaks one of this module's rules.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
        _check(value)
    except UnicodeDecodeError as error:
        raise _refusal(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise _refusal(f"the body is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _refusal(f"the JSON is nested more than {MAX_DEPTH} deep") from None
    except _NotIJsonError as error:
        raise _refusal(str(error)) from None
    if not isinstance(value, dict):
        raise _refusal(f"the body is JSON, but not an object: {_kind(value)}")
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotIJsonError("the JSON has an object with the same name twice")
    return found


def _constant(name: str) -> NoReturn:
    raise _NotIJsonError(f"{name} is not a JSON number")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotIJsonError("the JSON has a number that is too large")
    return number


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _NotIJsonError("the JSON has a number that is too large")
    return int(text)


def _check(value: object) -> None:
    """Check *value* without recursion, since its depth is not yet known."""
    todo = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise _NotIJsonError(f"the JSON is nested more than {MAX_DEPTH} deep")
        match item:
            case str():
                _check_text(item)
            case dict():
                todo += [(name, depth) for name in item]
                todo += [(each, depth + 1) for each in item.values()]
            case list():
                todo += [(each, depth + 1) for each in item]


def _check_text(text: str) -> None:
    if not is_storable(text):
        raise _NotIJsonError("the JSON has a text with U+0000 or half of a surrogate pair")


def is_storable(text: str) -> bool:
    """Return whether *text* can be stored and sent: no U+0000, no half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"


def _refusal(sentence: str) -> RefusedError:
    return RefusedError(Reason(ReasonCode.MALFORMED_JSON, sentence))
