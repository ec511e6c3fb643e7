"""DER by hand (ITU-T X.690), for structures that no library would make."""

import base64
import textwrap
from typing import Final

SHA256_WITH_RSA: Final = "1.2.840.113549.1.1.11"
RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"


def tlv(tag: int, *content: bytes) -> bytes:
    """Return an element: its tag, its length, and the parts of *content*."""
    body = b"".join(content)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + body


def sequence(*content: bytes) -> bytes:
    """Return a SEQUENCE."""
    return tlv(0x30, *content)


def integer(value: int) -> bytes:
    """Return a non-negative INTEGER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def octets(*content: bytes) -> bytes:
    """Return an OCTET STRING."""
    return tlv(0x04, *content)


def bits(*content: bytes) -> bytes:
    """Return a BIT STRING of whole bytes."""
    return tlv(0x03, b"\0", *content)


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        body += bytes(reversed(groups))
    return tlv(0x06, body)


def algorithm(dotted: str, parameters: bytes = b"\x05\x00") -> bytes:
    """Return an AlgorithmIdentifier (RFC 5280 section 4.1.1.2), by default with the parameters NULL."""
    return sequence(oid(dotted), parameters)


def nested(depth: int) -> bytes:
    """Return *depth* SEQUENCEs, each one except the innermost containing the next."""
    heads: list[bytes] = []
    length = 0
    for _ in range(depth):
        heads.append(tlv(0x30, bytes(length))[: -length or None])
        length += len(heads[-1])
    return b"".join(reversed(heads))


def pem(label: str, der: bytes) -> str:
    """Return *der* as a PEM block (RFC 7468)."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def rsa_public_key(modulus: int, exponent: int) -> bytes:
    """Return a SubjectPublicKeyInfo (RFC 8017 appendix A.1.1)."""
    return sequence(algorithm(RSA_ENCRYPTION), bits(sequence(integer(modulus), integer(exponent))))


def certificate(
    *,
    public_key: bytes,
    extensions: bytes = b"",
    serial: int = 1,
    subject: bytes = b"",
    signature: bytes = bytes(256),
) -> bytes:
    """Return a certificate of version 3 (RFC 5280 section 4.1) with a meaningless signature."""
    name = sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(0x0C, b"shop.example.com"))))
    to_be_signed = sequence(
        tlv(0xA0, integer(2)),
        integer(serial),
        algorithm(SHA256_WITH_RSA),
        name,
        sequence(tlv(0x17, b"200101000000Z"), tlv(0x17, b"491231235959Z")),
        subject or name,
        public_key,
        tlv(0xA3, sequence(extensions)) if extensions else b"",
    )
    return sequence(to_be_signed, algorithm(SHA256_WITH_RSA), bits(signature))


def extension(dotted: str, value: bytes) -> bytes:
    """Return a non-critical extension."""
    return sequence(oid(dotted), octets(value))
