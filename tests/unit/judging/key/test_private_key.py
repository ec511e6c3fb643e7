"""The private key: which formats and kinds are accepted, and why all others are refused."""

import functools
import math
import subprocess
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from shared.judging.key.private_key import read_key
from tests.builders.judging import der, minting

Numbers = rsa.RSAPrivateNumbers
_NUMBER: Final = (1 << 255) + 12345
P256: Final = ec.derive_private_key(_NUMBER, ec.SECP256R1())
RSA: Final = rsa.generate_private_key(65537, 2048)
_RSA_ENCRYPTION: Final = der.algorithm("1.2.840.113549.1.1.1")
_P256_ALGORITHM: Final = der.algorithm("1.2.840.10045.2.1", der.oid("1.2.840.10045.3.1.7"))
_KEY_USAGE: Final = der.sequence(
    der.oid("2.5.29.15"), der.tlv(0x31, der.bits(b"\x80"))
)  # an attribute that Windows adds
_ED25519_ALGORITHM: Final = der.algorithm("1.3.101.112", b"")


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes = b"") -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, form, encryption), "ascii")


def public(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def pkcs8(algorithm: bytes, key: bytes, *rest: bytes, version: int = 0) -> str:
    return der.pem("PRIVATE KEY", der.sequence(der.integer(version), algorithm, der.octets(key), *rest))


def sec1(number: bytes, curve: str = "1.2.840.10045.3.1.7") -> bytes:
    return der.sequence(der.integer(1), der.octets(number), der.tlv(0xA0, der.oid(curve)))


def openssl(*arguments: str, text: str = "") -> str:
    ran = subprocess.run(("openssl", *arguments), input=text, capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout


def rsa_with(**changes: int) -> str:
    """Return the RSA key with some of its numbers changed."""
    numbers = RSA.private_numbers()
    parts = {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e, "d": numbers.d, "p": numbers.p}
    parts |= {"q": numbers.q, "dmp1": numbers.dmp1, "dmq1": numbers.dmq1, "iqmp": numbers.iqmp}
    return minting.rsa_private(*(parts | changes).values())


@functools.cache
def parameters(curve: str, encoding: str = "named_curve") -> str:
    return openssl("ecparam", "-name", curve, "-param_enc", encoding)


def codes(text: str) -> list[str]:
    read = read_key(text.encode())
    assert read.key is not None or read.findings
    return [finding.code for finding in read.findings]


TRADITIONAL: Final = PrivateFormat.TraditionalOpenSSL


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (P256, "ECDSA P-256"),
        (ec.generate_private_key(ec.SECP384R1()), "ECDSA P-384"),
        (ec.generate_private_key(ec.SECP521R1()), "ECDSA P-521"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (RSA, "RSA 2048"),
        (rsa.generate_private_key(3, 2048), "RSA 2048"),
        (rsa.generate_private_key(65537, 2056), "RSA 2056"),
        (rsa.generate_private_key(65537, 3072), "RSA 3072"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_accepted_kind_is_read_in_each_format(key: Any, kind: str) -> None:
    forms = [PrivateFormat.PKCS8] if isinstance(key, ed25519.Ed25519PrivateKey) else [PrivateFormat.PKCS8, TRADITIONAL]
    read = [read_key(pem(key, form).encode()).key for form in forms]

    assert [each and (str(each.kind), each.public_key) for each in read] == [(kind, public(key))] * len(forms)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(parameters("prime256v1") + pem(P256, TRADITIONAL), id="parameters before it"),
        pytest.param(parameters("prime256v1") + pem(P256), id="parameters before PKCS #8"),
        pytest.param(openssl("ec", "-no_public", text=pem(P256, TRADITIONAL)), id="no public half"),
        pytest.param(openssl("ec", "-conv_form", "compressed", text=pem(P256, TRADITIONAL)), id="compressed"),
        pytest.param("Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n" + pem(P256), id="pkcs12"),
        pytest.param(pem(P256).replace("\n", "\r\n"), id="CRLF"),
        pytest.param(
            pkcs8(_P256_ALGORITHM, sec1(_NUMBER.to_bytes(32)), der.tlv(0xA0, _KEY_USAGE)),
            id="attributes",
        ),
    ],
)
def test_the_same_key_is_read_with_any_text_around_it(text: str) -> None:
    key = read_key(text.encode()).key

    assert key is not None
    assert key.public_key == public(P256)
    assert key.encoded() == P256.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(pem(P256, passphrase=b"secret"), "key_encrypted", id="PKCS #8 encrypted"),
        pytest.param(pem(RSA, TRADITIONAL, b"secret"), "key_encrypted", id="encrypted with RFC 1421 headers"),
        pytest.param(minting.leaf(), "key_is_certificate", id="a certificate"),
        pytest.param(openssl("pkey", "-pubout", text=pem(P256)), "key_is_public", id="a public key"),
        pytest.param(pem(P256, PrivateFormat.OpenSSH), "key_foreign_form", id="OpenSSH"),
        pytest.param(pem(RSA).replace("BEGIN", "BEGIN ANY").replace("END", "END ANY"), "key_foreign_form", id="ANY"),
        pytest.param("PuTTY-User-Key-File-3: ecdsa-sha2-nistp256\n", "key_not_pem", id="PuTTY"),
        pytest.param('{"kty": "EC", "crv": "P-256"}', "key_not_pem", id="JWK"),
        pytest.param(pem(P256) + minting.leaf(), "key_foreign_block", id="with its certificate"),
        pytest.param(
            pem(P256) + openssl("pkey", "-pubout", text=pem(P256)), "key_foreign_block", id="with its public half"
        ),
        pytest.param(pem(P256) + pem(P256, TRADITIONAL), "key_several", id="the key twice"),
        pytest.param(pem(P256) + pem(RSA), "key_several", id="two keys"),
        pytest.param(pem(P256, TRADITIONAL) + parameters("prime256v1"), "key_parameters", id="parameters after it"),
        pytest.param(parameters("secp384r1") + pem(P256, TRADITIONAL), "key_parameters", id="of another curve"),
        pytest.param(parameters("prime256v1") + pem(RSA), "key_parameters", id="parameters before an RSA key"),
        pytest.param(parameters("prime256v1", "explicit") + pem(P256), "key_parameters", id="explicit parameters"),
        pytest.param(parameters("prime256v1"), "key_unreadable", id="only parameters"),
        pytest.param(openssl("ec", "-param_enc", "explicit", text=pem(P256)), "key_type", id="explicit curve"),
        pytest.param(pem(ec.generate_private_key(ec.SECP224R1())), "key_type", id="P-224"),
        pytest.param(pem(ec.generate_private_key(ec.SECP256K1())), "key_type", id="secp256k1"),
        pytest.param(pem(ec.generate_private_key(ec.BrainpoolP256R1())), "key_type", id="brainpool"),
        pytest.param(pem(ed448.Ed448PrivateKey.generate()), "key_type", id="Ed448"),
        pytest.param(pem(x25519.X25519PrivateKey.generate()), "key_type", id="X25519"),
        pytest.param(pem(dsa.generate_private_key(2048)), "key_type", id="DSA"),
        pytest.param(pem(dsa.generate_private_key(1024), TRADITIONAL), "key_type", id="DSA in its traditional format"),
        pytest.param(openssl("genpkey", "-algorithm", "RSA-PSS"), "key_type", id="RSA-PSS"),
        pytest.param(pem(rsa.generate_private_key(65537, 1024)), "key_size", id="RSA 1024"),
        pytest.param(pem(rsa.generate_private_key(65537, 2052)), "key_size", id="RSA 2052"),
        pytest.param(rsa_with(n=(1 << 4096) + 1), "key_size", id="RSA 4097"),
        pytest.param(rsa_with(e=1), "key_exponent", id="exponent 1"),
        pytest.param(rsa_with(e=65536), "key_exponent", id="an even exponent"),
        pytest.param(rsa_with(e=(1 << 31) + 1), "key_exponent", id="an exponent above Go's limit"),
        pytest.param(rsa_with(e=(1 << 2000) + 1), "key_exponent", id="a huge exponent"),
        pytest.param(
            rsa_with(n=RSA.private_numbers().public_numbers.n + 2),
            "key_inconsistent",
            id="n",
        ),
        pytest.param(rsa_with(d=RSA.private_numbers().d ^ 4), "key_inconsistent", id="d"),
        pytest.param(rsa_with(dmp1=RSA.private_numbers().dmp1 ^ 4), "key_inconsistent", id="dP"),
        pytest.param(rsa_with(dmq1=0), "key_inconsistent", id="dQ"),
        pytest.param(rsa_with(iqmp=RSA.private_numbers().iqmp + 1), "key_inconsistent", id="qInv"),
        pytest.param(rsa_with(p=1, q=RSA.private_numbers().public_numbers.n), "key_inconsistent", id="p is 1"),
        pytest.param(rsa_with(p=0, q=0), "key_inconsistent", id="no primes"),
        pytest.param(pkcs8(_P256_ALGORITHM, sec1(bytes(32))), "key_inconsistent", id="zero"),
        pytest.param(pkcs8(_P256_ALGORITHM, sec1(b"\xff" * 32)), "key_inconsistent", id="more than the order"),
        pytest.param(
            pkcs8(_P256_ALGORITHM, sec1(_NUMBER.to_bytes(32), "1.3.132.0.34")), "key_inconsistent", id="two curves"
        ),
        pytest.param(pkcs8(_P256_ALGORITHM, sec1(_NUMBER.to_bytes(33))), "key_unreadable", id="a number too long"),
        pytest.param(pkcs8(_ED25519_ALGORITHM, der.octets(bytes(31))), "key_unreadable", id="a number too short"),
        pytest.param(pkcs8(_ED25519_ALGORITHM, bytes(32)), "key_unreadable", id="no OCTET STRING"),
        pytest.param(
            pkcs8(_ED25519_ALGORITHM, der.octets(bytes(32)), der.tlv(0x81, bytes(33)), version=1),
            "key_unreadable",
            id="version 2",
        ),
        pytest.param(
            pkcs8(_RSA_ENCRYPTION, RSA.private_bytes(Encoding.DER, TRADITIONAL, NoEncryption()) + b"\0"),
            "key_unreadable",
            id="a byte after the RSA key",
        ),
        pytest.param(pem(RSA, TRADITIONAL).replace("RSA ", ""), "key_unreadable", id="PKCS #1 as PKCS #8"),
        pytest.param(pem(P256).replace("PRIVATE", "EC PRIVATE"), "key_unreadable", id="PKCS #8 as SEC 1"),
        pytest.param(pem(P256, passphrase=b"x").replace("ENCRYPTED ", ""), "key_unreadable", id="encrypted inside"),
        pytest.param(minting.leaf().replace("CERTIFICATE", "PRIVATE KEY"), "key_unreadable", id="a certificate inside"),
        pytest.param(der.pem("PRIVATE KEY", b"\x30\x80\x00\x00"), "key_unreadable", id="BER"),
    ],
)
def test_every_other_key_is_refused_with_its_own_code(text: str, code: str) -> None:
    assert codes(text) == [code]


def test_a_public_half_of_another_key_is_refused() -> None:
    """OpenSSL loads such a key, but its signatures verify with neither public key."""
    other = ec.generate_private_key(ec.SECP256R1())
    own, lie = (key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for key in (P256, other))
    text = P256.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).replace(own, lie)

    assert codes(der.pem("PRIVATE KEY", text)) == ["key_inconsistent"]


def test_factors_that_are_not_prime_are_refused() -> None:
    """All numbers belong together; only a primality test shows that one factor is the product of two primes."""
    q = RSA.private_numbers().q
    products = (rsa.generate_private_key(65537, 1024).private_numbers().public_numbers.n for _ in range(100))
    p = next(product for product in products if (product * q).bit_length() == 2048)
    d = pow(65537, -1, math.lcm(p - 1, q - 1))

    text = minting.rsa_private(p * q, 65537, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))

    assert "primes that are not prime" in read_key(text.encode()).findings[0].message


def test_no_part_of_a_key_is_in_a_finding_or_a_repr() -> None:
    read = [read_key(text.encode()) for text in (rsa_with(d=RSA.private_numbers().d ^ 4), pem(P256), pem(P256)[:-40])]

    shown = repr(read)
    assert pem(P256).splitlines()[1] not in shown
    assert str(_NUMBER) not in shown
    assert f"{_NUMBER:x}" not in shown
    assert str(RSA.private_numbers().p) not in shown


@given(st.binary(max_size=200))
def test_random_content_is_refused_without_an_error(content: bytes) -> None:
    for label in ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "EC PARAMETERS"):
        assert codes(der.pem(label, content)) != []


_KEYS: Final = [
    (label, key.private_bytes(Encoding.DER, form, NoEncryption()))
    for label, key, form in (
        ("PRIVATE KEY", P256, PrivateFormat.PKCS8),
        ("EC PRIVATE KEY", P256, TRADITIONAL),
        ("PRIVATE KEY", RSA, PrivateFormat.PKCS8),
        ("RSA PRIVATE KEY", RSA, TRADITIONAL),
        ("PRIVATE KEY", ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
    )
]


@given(key=st.sampled_from(_KEYS), at=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_key_with_a_byte_changed_is_refused_or_sound(key: tuple[str, bytes], at: int, byte: int) -> None:
    label, content = key
    at %= len(content)
    changed = content[:at] + bytes([byte]) + content[at + 1 :]
    accepted = read_key(der.pem(label, changed).encode()).key

    if accepted is not None:
        assert public(accepted.private) == accepted.public_key
        assert read_key(der.pem("PRIVATE KEY", accepted.encoded()).encode()).key is not None
