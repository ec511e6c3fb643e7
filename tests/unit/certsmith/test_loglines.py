"""Log lines of services, made readable."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from certsmith.supervising.loglines import readable

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def test_a_json_line_becomes_time_level_event_and_facts() -> None:
    line = json.dumps(
        {
            "event": "order_opened",
            "level": "info",
            "timestamp": "2026-03-01T12:00:01.5Z",
            "service": "provisioner",
            "domain": "shop.example.com",
            "reason": "two words",
            "correlation_id": "not shown",
        }
    )

    assert readable(line).plain == ('12:00:01 info    order_opened domain=shop.example.com reason="two words"')


def test_a_traceback_shows_its_frames_and_the_error() -> None:
    frame = {"filename": "a.py", "lineno": 3, "name": "work"}
    exception = [{"exc_type": "ValueError", "exc_value": "no", "frames": [frame]}]

    text = readable(json.dumps({"event": "failed", "level": "error", "exception": exception})).plain

    assert text.splitlines()[1:] == ["  a.py:3 in work", "  ValueError: no"]


@pytest.mark.parametrize("line", ["", "Traceback (most recent call last):", "[1, 2]", '{"no": "event"}', "{broken"])
def test_a_line_that_is_no_log_entry_stays_as_it_is(line: str) -> None:
    assert readable(line).plain == line


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_any_log_entry_can_be_shown(entry: dict[str, JsonValue]) -> None:
    text = readable(json.dumps({**entry, "event": "strange"}))

    assert "strange" in text.plain
