"""Requests to `certsmith validate`."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import certifi
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certsmith.validating.request import RequestError, identity_of, instant_of, roots_of
from dev.certificates import Authority


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T12:30", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ("2026-11-20 12:30:15", datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)),
        ("2026-11-20T12:30:15.250Z", datetime(2026, 11, 20, 12, 30, 15, 250_000, tzinfo=UTC)),
        ("2026-11-20T12:30:15+02:00", datetime(2026, 11, 20, 10, 30, 15, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_in_utc(text: str, instant: datetime) -> None:
    assert instant_of(text, where="at") == instant


@pytest.mark.parametrize("text", ["", "today", "2026-02-30", "1763640000", "0001-01-01T00:00+23:00"])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="is not a time in ISO 8601") as caught:
        instant_of(text, where="at")

    assert (caught.value.code, caught.value.where) == ("at_invalid", "at")


@pytest.mark.parametrize("read", [instant_of, identity_of])
def test_a_key_in_the_wrong_field_is_not_shown(read: Callable[..., object]) -> None:
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text in (key, key.replace("\n", " ")):
        with pytest.raises(RequestError, match=r"^this looks like the content of a file; a single line was expected$"):
            read(text, where="a field")


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("Shop.Example.COM.", "shop.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("*.example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("Intranet.", "intranet"),
        ("co.uk", "co.uk"),
        ("a_b.example.com", "a_b.example.com"),
        ("xn--n3h.com", "xn--n3h.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[::1]", "::1"),
    ],
)
def test_a_certificate_can_be_required_for_a_name_that_cannot_be_hosted(text: str, identity: str) -> None:
    assert identity_of(text, where="domain") == identity


@pytest.mark.parametrize(
    "text", ["", " ", "a b.example.com", "a..example.com", "*.*.example.com", "a*.example.com", "x" * 64, "a.b" * 100]
)
def test_an_invalid_name_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        identity_of(text, where="domain")

    assert (caught.value.code, caught.value.where) == ("domain_invalid", "domain")


def test_several_trusted_roots_can_be_given() -> None:
    first, second = Authority.create("one"), Authority.create("two")

    assert roots_of(first.pem + second.pem, where="trust_pem") == (first.certificate, second.certificate)


def test_the_roots_of_browsers_can_be_given_without_warnings() -> None:
    assert len(roots_of(Path(certifi.where()).read_bytes(), where="trust_pem")) > 100


@pytest.mark.parametrize("pem", [b"", b"a root", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_trust_file_without_a_certificate_is_refused(pem: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        roots_of(pem, where="trust_pem")

    assert (caught.value.code, caught.value.where) == ("trust_invalid", "trust_pem")
