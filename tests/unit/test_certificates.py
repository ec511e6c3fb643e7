"""The content of certificates, and the host names that they cover."""

import datetime as dt
import hashlib
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from shared.certificates import UnreadableCertificateError, covers, parse

NOT_BEFORE = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
NOT_AFTER = dt.datetime(2027, 2, 18, 23, 59, 59, tzinfo=dt.UTC)
ISSUER = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc."),
        x509.NameAttribute(NameOID.COMMON_NAME, "Issuer é"),
    ]
)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def issue(
    *names: str,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey | None = None,
    serial: int = 0xABC,
    common_name: str | None = None,
) -> bytes:
    subject = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(ISSUER)
        .public_key(key or CA_KEY.public_key())
        .serial_number(serial)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
    )
    if names:
        general_names = [x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general_names), critical=False)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def test_every_fact_of_a_certificate_is_parsed() -> None:
    leaf = issue("Shop.Example.com", "*.example.com", serial=0x0A0B)

    facts = parse(leaf)

    assert facts.names == ("shop.example.com", "*.example.com")
    assert (facts.not_before, facts.not_after) == (NOT_BEFORE, NOT_AFTER)
    assert facts.serial_number == "a0b"
    assert facts.fingerprint == hashlib.sha256(leaf).digest()
    assert facts.issuer == "CN=Issuer é,O=Example\\, Inc."
    assert facts.public_key_spki == CA_KEY.public_key().public_bytes(*SPKI)


@pytest.mark.parametrize(
    ("make_key", "key_type"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ecdsa"),
        (lambda: rsa.generate_private_key(65537, 2048), "rsa"),
        (ed25519.Ed25519PrivateKey.generate, "ed25519"),
    ],
)
def test_the_type_of_the_key_is_parsed(
    make_key: Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey], key_type: str
) -> None:
    assert parse(issue("a.example", key=make_key().public_key())).key_type == key_type


@pytest.mark.parametrize("make_key", [ed448.Ed448PrivateKey.generate, lambda: dsa.generate_private_key(2048)])
def test_a_certificate_with_another_type_of_key_is_refused(
    make_key: Callable[[], ed448.Ed448PrivateKey | dsa.DSAPrivateKey],
) -> None:
    leaf = issue("a.example", key=make_key().public_key())  # type: ignore[arg-type]  # a key that cannot be served

    with pytest.raises(UnreadableCertificateError, match="PublicKey; ECDSA, RSA or Ed25519 was expected"):
        parse(leaf)


def test_the_common_name_is_ignored() -> None:
    assert parse(issue(common_name="shop.example.com")).names == ()


def test_a_name_with_a_nul_character_is_refused() -> None:
    with pytest.raises(UnreadableCertificateError, match="NUL"):
        parse(issue("shop.example.com\x00.evil.example"))


@given(st.binary(max_size=600))
def test_random_bytes_are_refused(leaf: bytes) -> None:
    with pytest.raises(UnreadableCertificateError):
        parse(leaf)


LEAF = issue("a.example", "b.example")
VERSION = LEAF.index(bytes.fromhex("a003020102")) + 4  # [0] EXPLICIT INTEGER 2: version 3


@pytest.mark.parametrize("version", [1, 3, 127, 255])
def test_a_version_that_does_not_exist_is_refused(version: int) -> None:
    with pytest.raises(UnreadableCertificateError):
        parse(LEAF[:VERSION] + bytes([version]) + LEAF[VERSION + 1 :])


@pytest.mark.filterwarnings("ignore")  # cryptography warns of content that is readable but wrong
@given(place=st.integers(0, len(LEAF) - 1), value=st.integers(0, 255))
def test_a_damaged_certificate_is_either_parsed_or_refused(place: int, value: int) -> None:
    damaged = bytearray(LEAF)
    damaged[place] = value

    try:
        facts = parse(bytes(damaged))
    except UnreadableCertificateError:
        return
    assert "\x00" not in "".join((*facts.names, facts.issuer))  # PostgreSQL could not store it


def test_the_validity_includes_both_ends() -> None:
    facts = parse(issue("a.example"))
    moment = dt.timedelta(microseconds=1)

    instants = (NOT_BEFORE - moment, NOT_BEFORE, NOT_AFTER, NOT_AFTER + moment)

    assert [facts.is_valid_at(instant) for instant in instants] == [False, True, True, False]


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("a.example.com",), "a.example.com"),
        (("b.example.com", "a.example.com"), "a.example.com"),
        (("*.example.com",), "a.example.com"),
        (("*.example.com",), "*.example.com"),
        (("*.a.example.com",), "b.a.example.com"),
        (("*.example.com",), "xn--bcher-kva.example.com"),
    ],
)
def test_a_certificate_covers_the_host(names: tuple[str, ...], host: str) -> None:
    assert covers(names, host)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ((), "a.example.com"),
        (("*.example.com",), "example.com"),
        (("*.example.com",), "b.a.example.com"),  # RFC 9525 section 6.3: one label
        (("*.example.com",), "*.a.example.com"),
        (("a.example.com",), "*.example.com"),
        (("*.*.example.com",), "b.a.example.com"),
        (("a*.example.com",), "ab.example.com"),  # the whole left-most label or nothing
        (("*",), "localhost"),
        (("*.com",), "a.example.com"),
        (("example.com",), "a.example.com"),
        (("a.example.com.",), "a.example.com"),
    ],
)
def test_a_certificate_does_not_cover_the_host(names: tuple[str, ...], host: str) -> None:
    assert not covers(names, host)
