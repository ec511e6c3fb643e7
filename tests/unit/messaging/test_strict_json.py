"""Untrusted JSON."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RefusedError
from shared.messaging.codec.strict_json import MAX_DEPTH, read_object

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, VALUES))
def test_unambiguous_json_is_read(value: dict[str, object]) -> None:
    assert read_object(json.dumps(value).encode()) == value


@given(st.binary())
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with suppress(RefusedError):
        read_object(body)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff{}", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[]", "not an object: an array"),
        (b"3", "not an object: a number"),
        (b'"a"', "not an object: a string"),
        (b"null", "not an object: null"),
        (b"true", "not an object: true or false"),
        (b'{"a": 1, "a": 2}', "the same name twice"),
        (b'{"b": {"a": 1, "a": 2}}', "the same name twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 1%s}' % (b"0" * 5000), "too large"),
        (b'{"a": "\\u0000"}', "U\\+0000"),
        (b'{"\\u0000": 1}', "U\\+0000"),
        (b'{"a": ["\\ud800"]}', "surrogate"),
        (b'{"a": %s1%s}' % (b"[" * MAX_DEPTH, b"]" * MAX_DEPTH), "nested more than"),
        (b'{"a": %s1%s}' % (b"[" * 200_000, b"]" * 200_000), "nested more than"),
    ],
)
def test_ambiguous_json_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        read_object(body)


def test_a_refusal_quotes_nothing() -> None:
    with pytest.raises(RefusedError) as caught:
        read_object(b'{"secret-name": secret-value')

    assert "secret" not in str(caught.value)
