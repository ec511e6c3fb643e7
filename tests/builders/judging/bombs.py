"""Uploads that are small to send, but expensive for a careless reader.

Most are properly signed by a private CA, so that no cheaper check refuses them before the expensive part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from tests.builders.judging import der
from tests.builders.judging.minting import (
    HOST,
    LEAF_KEY,
    authority,
    constraints,
    ec_with_explicit_curve,
    encrypted,
    huge_rsa_public,
    known,
    leaf,
    plain,
    rsa_from_primes,
    rsa_private,
    unknown,
)

_LIMIT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Bomb:
    """A bundle, a key, and the start of a code that must be among the reasons; None if the upload is odd but valid."""

    bundle: str
    key: str
    code: str | None


def _filled(unit: str, size: int = _LIMIT) -> str:
    return unit * (size // len(unit))


# Two Mersenne primes whose product has an ordinary length, though one is six times as long as the other.
_UNLIKE_PRIMES: Final = (2**607 - 1, 2**3217 - 1)
# The shortest signed certificate timestamp, preceded by its length (RFC 6962 section 3.2): 41 bytes and no extensions,
# SHA-256, ECDSA, an empty signature.
_TIMESTAMP: Final = (47).to_bytes(2) + bytes(41) + bytes(2) + bytes((4, 3)) + bytes(2)

BOMBS: Final[dict[str, Callable[[], Bomb]]] = {
    "ten thousand certificates": lambda: Bomb(leaf() * 10_000, LEAF_KEY, "bundle_too_large"),
    "as many certificates as fit": lambda: Bomb(_filled(leaf()), LEAF_KEY, "bundle_too_many_certificates"),
    "tiny blocks": lambda: Bomb(
        _filled("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), LEAF_KEY, "bundle_"
    ),
    "empty blocks of all kinds": lambda: Bomb(_filled("-----BEGIN X-----\n-----END X-----\n"), LEAF_KEY, "bundle_"),
    "BEGIN lines without END lines": lambda: Bomb(_filled("-----BEGIN CERTIFICATE-----\n"), LEAF_KEY, "bundle_"),
    "hyphens": lambda: Bomb("-" * _LIMIT, LEAF_KEY, "bundle_"),
    "carriage returns": lambda: Bomb("\r" * _LIMIT, LEAF_KEY, "bundle_"),
    "carriage returns and a letter": lambda: Bomb("\r" * (_LIMIT - 1) + "x", LEAF_KEY, "bundle_"),
    "dashes and blanks": lambda: Bomb(_filled("-- "), LEAF_KEY, "bundle_"),
    "a label without an end": lambda: Bomb("-----BEGIN " + "A " * (_LIMIT // 2 - 20), LEAF_KEY, "bundle_"),
    "blanks": lambda: Bomb(leaf() + " " * 200_000 + "x", LEAF_KEY, None),
    "blanks inside a block": lambda: Bomb(
        leaf().replace("\n-----END", " " * 200_000 + "\n-----END"), LEAF_KEY, "bundle_"
    ),
    "a million lines": lambda: Bomb("\n" * 1_000_000, LEAF_KEY, "bundle_too_large"),
    "a quarter of a million lines": lambda: Bomb("\n" * (_LIMIT - 2000) + leaf(), LEAF_KEY, None),
    "one line of base64": lambda: Bomb(
        f"-----BEGIN CERTIFICATE-----\n{'MIIB' * 60_000}\n-----END CERTIFICATE-----\n",
        LEAF_KEY,
        "certificate_unreadable",
    ),
    "padding": lambda: Bomb(
        f"-----BEGIN CERTIFICATE-----\n{'=' * 240_000}\n-----END CERTIFICATE-----\n", LEAF_KEY, "bundle_"
    ),
    "nested ASN.1": lambda: Bomb(der.pem("CERTIFICATE", der.nested(40_000)), LEAF_KEY, "certificate_unreadable"),
    "nested ASN.1 in an extension": lambda: Bomb(leaf(unknown(der.nested(30_000))), LEAF_KEY, "chain_too_large"),
    "nested ASN.1 in the names": lambda: Bomb(leaf(known("2.5.29.18", der.nested(30_000))), LEAF_KEY, "leaf_"),
    "a giant extension": lambda: Bomb(leaf(unknown(bytes(170_000))), LEAF_KEY, "chain_too_large"),
    "thousands of extensions": lambda: Bomb(
        leaf(*(unknown(b"\x05\x00", number) for number in range(1, 6_000))), LEAF_KEY, "chain_too_large"
    ),
    "the same extension thousands of times": lambda: Bomb(
        plain(extensions=der.extension("2.5.29.17", der.sequence(der.tlv(0x82, b"a.example.com"))) * 5_000),
        LEAF_KEY,
        "leaf_extension_twice",
    ),
    "thousands of policies": lambda: Bomb(
        leaf(
            (
                x509.CertificatePolicies(
                    [
                        x509.PolicyInformation(x509.ObjectIdentifier(f"1.3.6.1.4.1.55555.{number}"), None)
                        for number in range(8_000)
                    ]
                ),
                False,
            )
        ),
        LEAF_KEY,
        "chain_too_large",
    ),
    "thousands of timestamps": lambda: Bomb(
        leaf(known("1.3.6.1.4.1.11129.2.4.2", der.octets((49 * 1_000).to_bytes(2), _TIMESTAMP * 1_000))),
        LEAF_KEY,
        "chain_incomplete",
    ),
    "thousands of names": lambda: Bomb(
        leaf(names=[f"n{number}.example.com" for number in range(6_000)]), LEAF_KEY, "leaf_too_many_names"
    ),
    "a name of a hundred thousand letters": lambda: Bomb(leaf(names=["a" * 100_000 + ".com"]), LEAF_KEY, "leaf_"),
    "a name of fifty thousand labels": lambda: Bomb(leaf(names=["a." * 50_000 + "com"]), LEAF_KEY, "leaf_"),
    "a long name in punycode": lambda: Bomb(
        leaf(names=["xn--" + "a" * 40_000 + "-" + "9" * 60_000 + ".com"]), LEAF_KEY, "leaf_"
    ),
    "many names in punycode": lambda: Bomb(
        leaf(names=[f"xn--{number:04}{'b' * 30}-{'9' * 18}.example.com" for number in range(2_000)]),
        LEAF_KEY,
        "chain_too_large",
    ),
    "a long subject": lambda: Bomb(
        plain(subject=der.sequence(der.tlv(0x31, der.sequence(der.oid("2.5.4.3"), der.tlv(0x0C, b"x" * 150_000))))),
        LEAF_KEY,
        "chain_too_large",
    ),
    "a subject of thousands of parts": lambda: Bomb(
        plain(
            subject=der.sequence(der.tlv(0x31, der.sequence(der.oid("2.5.4.3"), der.tlv(0x0C, b"a"))) * 10_000),
        ),
        LEAF_KEY,
        "leaf_",
    ),
    "a subject of one part with thousands of values": lambda: Bomb(
        plain(
            subject=der.sequence(der.tlv(0x31, der.sequence(der.oid("2.5.4.3"), der.tlv(0x0C, b"a")) * 10_000)),
        ),
        LEAF_KEY,
        "certificate_unreadable",
    ),
    "a giant serial number": lambda: Bomb(plain(serial=1 << 1_200_000), LEAF_KEY, "leaf_bad_serial_number"),
    "thousands of subtrees, thousands of names": lambda: Bomb(
        leaf(names=[HOST, *(f"n{number}.example.com" for number in range(90))]) + authority(constraints(5_000)),
        LEAF_KEY,
        "chain_too_large",
    ),
    "more subtrees times names than are compared": lambda: Bomb(
        leaf(names=[HOST, *(f"n{number}.example.com" for number in range(2_500))]) + authority(constraints(4_000)),
        LEAF_KEY,
        "chain_too_many_constraints",
    ),
    "constraints in every certificate": lambda: Bomb(
        leaf()
        + "".join(
            authority(constraints(400), subject=subject, issuer=issuer)
            for subject, issuer in (("issuing", "ca-1"), *((f"ca-{n}", f"ca-{n + 1}") for n in range(1, 14)))
        ),
        LEAF_KEY,
        "chain_too_large",
    ),
    "a mesh of cross-certificates": lambda: Bomb(
        leaf() + "".join(authority(subject="issuing", issuer="issuing", serial=number) for number in range(1, 16)),
        LEAF_KEY,
        "chain_root_not_last",
    ),
    "RSA 16384 in the certificate": lambda: Bomb(plain(huge_rsa_public()), LEAF_KEY, "leaf_key_size"),
    "RSA 16384 in the key": lambda: Bomb(
        leaf(), rsa_private(*([(1 << 16383) + 1, 65537] + [(1 << 16382) + 1] * 6)), "key_"
    ),
    "RSA with an exponent as long as its modulus": lambda: Bomb(
        plain(huge_rsa_public(4096, (1 << 4095) + 1)), LEAF_KEY, "leaf_key_exponent"
    ),
    "RSA with an exponent as long as its modulus, in the key": lambda: Bomb(
        leaf(), rsa_private(*([(1 << 4095) + 1, (1 << 4094) + 1] + [(1 << 2047) + 1] * 6)), "key_"
    ),
    "RSA with primes of very different lengths": lambda: Bomb(*rsa_from_primes(*_UNLIKE_PRIMES), "leaf_no_names"),
    "RSA whose secret numbers are longer than the modulus": lambda: Bomb(
        plain(huge_rsa_public(2048)),
        rsa_private((1 << 2047) + (1 << 1024) + 1, 65537, *([(1 << 35_000) + 1] * 6)),
        "key_",
    ),
    "RSA with a prime of one": lambda: Bomb(
        plain(huge_rsa_public(2048)),
        rsa_private((1 << 2047) + (1 << 1024) + 1, 65537, 3, 1, (1 << 2047) + (1 << 1024) + 1, 1, 1, 1),
        "key_",
    ),
    "a curve with explicit parameters": lambda: Bomb(leaf(), ec_with_explicit_curve(16_384), "key_"),
    "a long secret on a short curve": lambda: Bomb(
        leaf(),
        der.pem(
            "EC PRIVATE KEY",
            der.sequence(der.integer(1), der.octets(b"\1" * 20_000), der.tlv(0xA0, der.oid("1.2.840.10045.3.1.7"))),
        ),
        "key_",
    ),
    "an encrypted key with two thousand million iterations": lambda: Bomb(
        leaf(), encrypted(2**31 - 1), "key_encrypted"
    ),
    "a key nested in itself": lambda: Bomb(leaf(), der.pem("PRIVATE KEY", der.nested(5_000)), "key_"),
    "a key file with many keys": lambda: Bomb(leaf(), _filled(LEAF_KEY, 32_000), "key_"),
    "a key file that is too long": lambda: Bomb(leaf(), LEAF_KEY + "\n" * 40_000, "key_too_large"),
}
