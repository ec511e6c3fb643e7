"""Variables in a Compose file, by the page "Interpolation" of the Compose specification.

`$NAME` and `${NAME}`; `${NAME:-word}` (unset or empty) and `${NAME-word}` (unset); likewise `?`, whose word is the
error, and `+`, whose word is used if the variable is set; words are interpolated themselves; `$$` is a dollar sign.
Values are interpolated, keys are not.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPRESSION: Final = re.compile(rf"(?P<name>{_NAME.pattern})(?:(?P<colon>:?)(?P<sign>[-?+])(?P<word>.*))?", re.DOTALL)


class InterpolationError(Exception):
    """A required variable is not set, or the text after `$` is not a variable."""


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Return *value*, a parsed YAML document or a part of it, with *variables* in place of their names."""
    match value:
        case str():
            return _interpolate(value, variables)
        case dict():
            return {key: interpolate(each, variables) for key, each in value.items()}
        case list():
            return [interpolate(each, variables) for each in value]
        case _:
            return value


def _interpolate(text: str, variables: Mapping[str, str]) -> str:
    done, position = "", 0
    while (dollar := text.find("$", position)) >= 0:
        found, after = _variable(text, dollar + 1, variables)
        done += text[position:dollar] + found
        position = after
    return done + text[position:]


def _variable(text: str, start: int, variables: Mapping[str, str]) -> tuple[str, int]:
    """Return the value of the variable after a dollar sign, and the position after it."""
    if text.startswith("$", start):
        return "$", start + 1
    if text.startswith("{", start):
        end = _closing(text, start)
        return _expand(text[start + 1 : end], variables), end + 1
    name = _NAME.match(text, start)
    return (variables.get(name[0], ""), name.end()) if name else ("$", start)


def _closing(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += text.startswith("${", position - 1) - text.startswith("}", position)
        if depth == 0:
            return position
    raise InterpolationError(f"{text!r}: a brace is not closed")


def _expand(expression: str, variables: Mapping[str, str]) -> str:
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        raise InterpolationError(f"${{{expression}}} is no variable")
    value, word = variables.get(found["name"]), found["word"]
    stands = bool(value) if found["colon"] else value is not None
    match found["sign"]:
        case "-":
            return (value or "") if stands else _interpolate(word, variables)
        case "+":
            return _interpolate(word, variables) if stands else ""
        case "?" if not stands:
            raise InterpolationError(f"{found['name']} must be set: {_interpolate(word, variables)}")
        case _:
            return value or ""
