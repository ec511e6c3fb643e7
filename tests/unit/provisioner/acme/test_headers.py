"""The header fields that ACME uses."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.provisioner.adapters.acme.headers import http_date, next_link, retry_after_seconds

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
YEAR = 366 * 86_400.0


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the time zone of this process to New York, five hours behind UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 20 Nov 2026 12:30:00 GMT", 1800.0),
        ("Friday, 20-Nov-26 12:30:00 GMT", 1800.0),  # RFC 850's form, obsolete and still to be accepted
        ("Fri Nov 20 12:30:00 2026", 1800.0),  # asctime's
        ("Fri, 20 Nov 2026 12:30:00 -0000", 1800.0),
        ("Fri, 20 Nov 2026 11:59:00 GMT", 0.0),
        ("99999999999999999999", None),
        ("9999999999", YEAR),
        ("Fri, 31 Dec 9999 23:59:59 GMT", YEAR),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_wait_is_read_in_either_form(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


@pytest.mark.usefixtures("new_york")
def test_a_date_is_in_gmt_in_any_local_time_zone() -> None:
    assert retry_after_seconds("Fri, 20 Nov 2026 12:30:00 GMT", now=NOW) == 1800.0
    assert http_date("Fri, 20 Nov 2026 12:30:00 GMT") == NOW + timedelta(minutes=30)


@given(st.integers(0, 31_000_000))
def test_both_forms_of_retry_after_mean_the_same(seconds: int) -> None:
    as_date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after_seconds(as_date, now=NOW) == retry_after_seconds(str(seconds), now=NOW) == seconds


@given(st.text())
def test_no_header_breaks_the_parsers(header: str) -> None:
    seconds = retry_after_seconds(header, now=NOW)

    assert seconds is None or 0 <= seconds <= YEAR
    next_link(header)


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://ca.test/orders/2>;rel="next"', "https://ca.test/orders/2"),
        ('<https://ca.test/dir>; rel="index", <https://ca.test/orders/2>; rel="next"', "https://ca.test/orders/2"),
        ("<https://ca.test/orders/2>;rel=next", "https://ca.test/orders/2"),
        ('<https://ca.test/orders?a=1,2>; title="x"; REL="prev next"', "https://ca.test/orders?a=1,2"),
        ('<https://ca.test/dir>;rel="index"', None),
        ('<https://ca.test/x>;rel="nextcloud"', None),
        ("", None),
        (None, None),
    ],
)
def test_the_next_page_is_found(header: str | None, target: str | None) -> None:
    assert next_link(header) == target
