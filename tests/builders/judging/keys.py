"""Private keys of every accepted type and size, made by both tools, in every format in which customers have them."""

import base64
import textwrap
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.builders.judging.openssl import openssl

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Form: TypeAlias = Callable[[bytes], bytes]


class Kind(StrEnum):
    """A type and size of key."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    P256 = "P-256"
    P384 = "P-384"
    P521 = "P-521"
    ED25519 = "ed25519"


_CURVES: Final = {Kind.P256: ec.SECP256R1(), Kind.P384: ec.SECP384R1(), Kind.P521: ec.SECP521R1()}


@cache
def key_of_cryptography(kind: Kind) -> bytes:
    """Return a key made by `cryptography` (PKCS #8 PEM); one for each kind and run, because RSA keys take a second."""
    key: PrivateKey
    if kind in _CURVES:
        key = ec.generate_private_key(_CURVES[kind])
    elif kind is Kind.ED25519:
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(65537, _bits(kind))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def key_of_openssl(kind: Kind) -> bytes:
    """Return a key made by `openssl genpkey` (PKCS #8 PEM); one for each kind and run."""
    if kind in _CURVES:
        return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}")
    if kind is Kind.ED25519:
        return openssl("genpkey", "-algorithm", "ED25519")
    return openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{_bits(kind)}")


KEYS: Final[Mapping[str, Callable[[Kind], bytes]]] = {
    "cryptography": key_of_cryptography,
    "openssl": key_of_openssl,
}


def loaded(pem: bytes) -> PrivateKey:
    """Return the key in *pem*."""
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, PrivateKey)
    return key


def pem_block(label: str, content: bytes, *, width: int = 64) -> bytes:
    """Return *content* as a PEM block with lines of *width* characters."""
    lines = textwrap.wrap(base64.b64encode(content).decode(), width)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _bits(kind: Kind) -> int:
    return int(kind.rpartition("-")[2])


def _written(form: PrivateFormat) -> Form:
    return lambda pem: loaded(pem).private_bytes(Encoding.PEM, form, NoEncryption())


def _converted(*words: str) -> Form:
    return lambda pem: openssl(*words, given=pem)


def _traditional_label(pem: bytes) -> str:
    return "RSA PRIVATE KEY" if isinstance(loaded(pem), rsa.RSAPrivateKey) else "EC PRIVATE KEY"


def _wrapped_by_hand(pem: bytes) -> bytes:
    return pem_block("PRIVATE KEY", _pkcs8(pem))


def _in_one_line(pem: bytes) -> bytes:
    return pem_block("PRIVATE KEY", _pkcs8(pem), width=10_000)


def _traditional_wrapped_by_hand(pem: bytes) -> bytes:
    content = openssl("pkey", "-traditional", "-outform", "DER", given=pem)
    return pem_block(_traditional_label(pem), content, width=76)


def _pkcs8(pem: bytes) -> bytes:
    return openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", given=pem)


def _with_parameters(pem: bytes) -> bytes:
    """Return the parameters, then the key, in the form that `openssl ecparam -genkey` writes."""
    key = loaded(pem)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return openssl("ecparam", "-name", key.curve.name) + openssl("ec", given=pem)


# Formats for keys of every kind.
_ANY: Final[Mapping[str, Form]] = {
    "pkcs8 by cryptography": _written(PrivateFormat.PKCS8),
    "pkcs8 by openssl pkey": _converted("pkey"),
    "pkcs8 by openssl pkcs8": _converted("pkcs8", "-topk8", "-nocrypt"),
    "pkcs8 with its numbers as text": _converted("pkey", "-text"),
    "pkcs8 DER in PEM by hand": _wrapped_by_hand,
    "pkcs8 in one line": _in_one_line,
    "pkcs8 with CRLF": lambda pem: pem.replace(b"\n", b"\r\n"),
    "pkcs8 without the last line end": lambda pem: pem.rstrip(b"\n"),
    "pkcs8 with a comment": lambda pem: b"# of shop.example.com\n\n" + pem + b"\n\n",
}
# More formats for kinds of keys that are older than PKCS #8.
_TRADITIONAL: Final[Mapping[str, Form]] = {
    "traditional by cryptography": _written(PrivateFormat.TraditionalOpenSSL),
    "traditional by openssl pkey": _converted("pkey", "-traditional"),
    "traditional DER in PEM by hand": _traditional_wrapped_by_hand,
}
_RSA: Final[Mapping[str, Form]] = {"pkcs1 by openssl rsa": _converted("rsa", "-traditional")}
_ECDSA: Final[Mapping[str, Form]] = {
    "sec1 by openssl ec": _converted("ec"),
    "sec1 after its parameters": _with_parameters,
    "sec1 with a compressed point": _converted("ec", "-conv_form", "compressed"),
    "sec1 without the public half": _converted("ec", "-no_public"),
    "pkcs8 without the public half": lambda pem: openssl("pkey", given=openssl("ec", "-no_public", given=pem)),
}

# Every format of each kind of key.
FORMS: Final[Mapping[Kind, Mapping[str, Form]]] = {
    kind: _ANY
    if kind is Kind.ED25519
    else {**_ANY, **_TRADITIONAL, **_ECDSA}
    if kind in _CURVES
    else {**_ANY, **_TRADITIONAL, **_RSA}
    for kind in Kind
}
