"""Makes services' output readable: each line of JSON becomes a coloured line; any other line stays as it is."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.text import Text

_LEVELS: Final = {"debug": "dim", "info": "", "warning": "yellow", "error": "red", "critical": "bold red"}
# TerminalObserver in a place of their own, or not needed to follow what happens; `--json` has all of it.
_ELSEWHERE: Final = frozenset(
    {"service", "timestamp", "level", "event", "exception", "correlation_id", "event_id", "event_type", "logger"}
)
_TIME: Final = slice(11, 19)  # of 2026-01-31T12:00:00.000000Z


def readable(line: str) -> Text:
    """Return *line* of a service's log for people."""
    try:
        entry = json.loads(line)
    except ValueError:
        return Text(line)
    if not isinstance(entry, dict) or "event" not in entry:
        return Text(line)
    level = str(entry.get("level", "info"))
    text = Text.assemble(
        (f"{str(entry.get('timestamp', ''))[_TIME]} ", "dim"),
        (f"{level:<8}", _LEVELS.get(level, "")),
        (str(entry["event"]), _LEVELS.get(level) or "bold"),
    )
    for name, value in entry.items():
        if name not in _ELSEWHERE:
            text.append(f" {name}=", "dim")
            text.append(_shown(value))
    for trace in _traceback(entry.get("exception")):
        text.append(f"\n{trace}", "red")
    return text


def _shown(value: object) -> str:
    if isinstance(value, str) and value and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _traceback(exception: object) -> Iterator[str]:
    """Yield the lines of a traceback as structlog writes it: the frames of each exception, the outermost last."""
    if isinstance(exception, str):
        yield from exception.splitlines()
    for each in reversed(exception) if isinstance(exception, list) else ():
        if isinstance(each, Mapping):
            yield from _of_exception(each)


def _of_exception(exception: Mapping[str, Any]) -> Iterator[str]:
    for frame in exception.get("frames") or ():
        yield f"  {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}"
    yield f"  {exception.get('exc_type')}: {exception.get('exc_value')}"
