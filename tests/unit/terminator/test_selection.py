"""Which certificate a name gets."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.terminator.rules.selection import (
    LONGEST_SECONDS,
    Certificate,
    NotServableError,
    Policy,
    candidates,
    choose,
    decide,
    policy_of,
)
from tests.fakes.terminator_store import a_certificate, a_domain

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def valid(id: str = "valid", *, until: timedelta = 2 * HOUR) -> Certificate:  # noqa: A002
    return a_certificate(id, valid_from=NOW - HOUR, valid_to=NOW + until)


def expired(id: str = "expired") -> Certificate:  # noqa: A002
    return a_certificate(id, valid_from=NOW - 2 * HOUR, valid_to=NOW - HOUR)


def future(id: str = "future") -> Certificate:  # noqa: A002
    return a_certificate(id, valid_from=NOW + HOUR, valid_to=NOW + 9 * HOUR)


@pytest.mark.parametrize(
    ("attached", "automatic", "chosen", "seconds"),
    [
        (None, None, None, LONGEST_SECONDS),
        (valid("a"), None, "a", 7200),
        (None, valid("b"), "b", 7200),
        (valid("a"), valid("b", until=HOUR), "a", 3600),
        (expired("a"), valid("b"), "b", 7200),
        (future("a"), valid("b"), "b", 3600),
        (expired("a"), expired("b"), "a", LONGEST_SECONDS),
        (expired("a"), future("b"), "a", 3600),
        (future("a"), expired("b"), "a", 3600),
        (None, expired("b"), "b", LONGEST_SECONDS),
        (expired("a"), None, "a", LONGEST_SECONDS),
    ],
)
def test_the_choice_is_the_attached_one_if_valid_else_a_valid_automatic_one_else_the_attached_one(
    attached: Certificate | None, automatic: Certificate | None, chosen: str | None, seconds: float
) -> None:
    certificate, lasts = choose(a_domain("a.example", attached=attached, automatic=automatic), now=NOW)

    assert (certificate.id if certificate else None) == chosen
    assert lasts == pytest.approx(seconds)


def test_a_certificate_named_in_terminate_tls_always_wins() -> None:
    domain = a_domain("a.example", named=expired("named"), attached=valid("a"), automatic=valid("b"))

    certificate, _ = choose(domain, now=NOW)

    assert certificate is not None
    assert certificate.id == "named"


INSTANTS = st.integers(-100, 100).map(lambda hours: NOW + hours * HOUR)
CERTIFICATES = st.none() | st.builds(
    lambda start, length: a_certificate("x", valid_from=start, valid_to=start + length * HOUR),
    INSTANTS,
    st.integers(0, 50),
)


@given(CERTIFICATES, CERTIFICATES, st.floats(0, 1))
def test_a_choice_is_valid_for_the_seconds_that_it_states(
    attached: Certificate | None, automatic: Certificate | None, part: float
) -> None:
    domain = a_domain("a.example", attached=attached, automatic=automatic)
    chosen, seconds = choose(domain, now=NOW)

    later, _ = choose(domain, now=NOW + timedelta(seconds=int(seconds * part * 0.999)))

    assert seconds > 0
    assert later is chosen


def test_the_exact_name_wins_over_the_wildcard_one_label_up() -> None:
    rows = {name: a_domain(name) for name in ("shop.example.com", "*.example.com", "*.com")}

    assert decide("shop.example.com", rows) is rows["shop.example.com"]
    assert decide("other.example.com", rows) is rows["*.example.com"]
    assert decide("a.b.example.com", rows) is None
    assert decide("example.com", rows) is rows["*.com"]


def test_a_single_label_has_no_wildcard() -> None:
    assert candidates("localhost") == ("localhost",)
    assert candidates("*.example.com") == ("*.example.com",)


def test_the_policy_has_the_versions_of_terminate_tls() -> None:
    domain = a_domain("a.example", terminate_tls={"min_version": "1.3", "max_version": "1.3"})

    assert policy_of(domain) == Policy(lowest_version=0x0304, highest_version=0x0304)
    assert policy_of(a_domain("a.example")) == Policy(lowest_version=0x0303, highest_version=0x0304)


def test_a_domain_that_asks_for_an_unsupported_feature_is_not_served() -> None:
    with pytest.raises(NotServableError, match="client certificates"):
        policy_of(a_domain("a.example", terminate_tls={"mutual_tls_certificate_authorities": ["x"]}))
    with pytest.raises(NotServableError, match="passthrough://"):
        policy_of(a_domain("a.example", "passthrough://b.example:443"))
