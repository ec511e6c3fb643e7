"""Private keys in the clear, however they are wrapped."""

import base64
import json
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey, SealedBox

from shared.messaging.codec.clear_keys import _BLANKS, _unescaped, holds_private_key

KEYS: dict[str, PrivateKeyTypes] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "RSA 2048": rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
FORMATS = {"PKCS8": PrivateFormat.PKCS8, "traditional": PrivateFormat.TraditionalOpenSSL, "SSH": PrivateFormat.OpenSSH}
PEMS = {
    f"{name} {form}": key.private_bytes(Encoding.PEM, FORMATS[form], NoEncryption())
    for name, key in KEYS.items()
    for form in FORMATS
    if (name, form) != ("Ed25519", "traditional")
}
DERS = {name: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for name, key in KEYS.items()}


def in_json(data: bytes) -> bytes:
    return json.dumps({"metadata": data.decode()}).encode()


def in_json_twice(data: bytes) -> bytes:
    return in_json(in_json(data))


def escaped(data: bytes) -> bytes:
    return b'{"a": "' + b"".join(b"\\u%04x" % byte for byte in data) + b'"}'


def in_base64(data: bytes) -> bytes:
    return in_json(base64.b64encode(data))


def in_base64url(data: bytes) -> bytes:
    return in_json(base64.urlsafe_b64encode(data).rstrip(b"="))


def in_base64_lines(data: bytes) -> bytes:
    return in_json(base64.encodebytes(data))


def in_base64_twice(data: bytes) -> bytes:
    return in_base64(in_base64(data))


def in_utf16(data: bytes) -> bytes:
    return data.decode().encode("utf-16")


WRAPS = (bytes, in_json, in_json_twice, escaped, in_base64, in_base64url, in_base64_lines, in_base64_twice, in_utf16)


@pytest.mark.parametrize("wrap", WRAPS, ids=lambda wrap: wrap.__name__)
@pytest.mark.parametrize("pem", PEMS.values(), ids=PEMS.keys())
def test_a_pem_key_is_found(pem: bytes, wrap: Callable[[bytes], bytes]) -> None:
    assert holds_private_key(wrap(pem))


@pytest.mark.parametrize("wrap", [bytes, in_base64, in_base64url, in_base64_lines, in_base64_twice])
@pytest.mark.parametrize("der", DERS.values(), ids=DERS.keys())
def test_a_der_key_is_found(der: bytes, wrap: Callable[[bytes], bytes]) -> None:
    assert holds_private_key(wrap(der))


def test_an_encrypted_key_is_found_too() -> None:
    pem = KEYS["P-256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))

    assert holds_private_key(in_json(pem))


def test_the_inside_of_a_pem_block_is_found_without_its_header() -> None:
    inside = b"\n".join(PEMS["P-256 PKCS8"].splitlines()[1:-1])

    assert holds_private_key(in_json(inside))


def test_a_json_web_key_is_found() -> None:
    private = base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")

    assert holds_private_key(json.dumps({"jwk": {"kty": "EC", "crv": "P-256", "d": private}}).encode())


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_public_key_is_not_a_private_key(key: PrivateKeyTypes) -> None:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert not holds_private_key(in_json(public))


def test_a_sealed_box_is_not_a_private_key() -> None:
    sealed = SealedBox(PrivateKey.generate().public_key).encrypt(PEMS["RSA 2048 PKCS8"])

    assert not holds_private_key(in_base64(sealed))


@given(st.text(st.sampled_from('ab\n\t\r"/\x00\x07é'), max_size=50))
def test_json_without_double_backslashes_is_unescaped_like_any_other(text: str) -> None:
    once = json.dumps(text).replace("/", "\\/").encode()

    undone = _unescaped(once + rb"\\")  # two of them, so all is searched
    assert _unescaped(once).translate(None, _BLANKS) == undone.removesuffix(rb"\\").translate(None, _BLANKS)


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_searched(data: bytes) -> None:
    holds_private_key(data)


@pytest.mark.parametrize(
    "piece",
    [b"\\", b"\\\\\\u", b"A", b"-", b'"d"', b'"d": ', b"-----BEGIN ", b"\x00", b" \t", b"A" * 63 + b"\n", b"\\n"],
)
def test_half_a_megabyte_of_anything_is_searched_quickly(piece: bytes) -> None:
    body = piece * (512 * 1024 // len(piece))
    began = time.process_time()

    holds_private_key(body)

    assert time.process_time() - began < 1
