"""Headers as JSON and back."""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from pamqp.common import FieldValue

from shared.messaging.codec.headers import plain, restored, storable

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
KEPT = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT.map("ce-".__add__), KEPT))
def test_headers_that_json_can_express_are_restored(headers: dict[str, FieldValue]) -> None:
    assert restored(plain(headers)) == headers


def test_headers_that_json_cannot_express_are_readable_by_people() -> None:
    headers = {"at": datetime(2026, 1, 31, tzinfo=UTC), "much": Decimal("1.5"), "nan": math.nan, "zero": "a\x00b"}

    assert plain(headers) == {"at": "2026-01-31 00:00:00+00:00", "much": "1.5", "nan": "nan", "zero": "a?b"}


def test_deeply_nested_headers_are_cut() -> None:
    headers: dict[str, object] = {}
    for _ in range(300):
        headers = {"a": headers}

    assert len(json.dumps(plain(headers))) < 200


def test_the_brokers_own_headers_are_not_sent_again() -> None:
    headers = {"x-death": [{}], "x-first-death-queue": "q", "x-delivery-count": 6, "ce-id": "1"}

    assert restored(plain(headers)) == {"ce-id": "1"}


@given(st.text())
def test_any_text_becomes_one_that_can_be_stored(text: str) -> None:
    assert "\x00" not in storable(text)
    storable(text).encode()
