"""Certificates and keys in PEM, correct except where a test needs a fault: signed, or written in DER by hand."""

import functools
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.builders.judging import der

AT: Final = datetime(2026, 11, 21, tzinfo=UTC)
HOST: Final = "shop.example.com"
_YEAR: Final = timedelta(days=365)
Extensions = Sequence[tuple[x509.ExtensionType, bool]]


@functools.cache
def ec_key(number: int) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key whose secret is *number*."""
    return ec.derive_private_key(number, ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """Return *key* in PKCS #8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


LEAF: Final = ec_key(int.from_bytes(hashlib.sha256(b"leaf").digest()))
CA: Final = ec_key(int.from_bytes(hashlib.sha256(b"authority").digest()))
LEAF_KEY: Final = key_pem(LEAF)


def signed(
    subject: str,
    issuer: str,
    *,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    extensions: Extensions = (),
    serial: int = 7,
) -> str:
    """Return a certificate for *key* signed *by* another key, in PEM."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(AT - _YEAR / 4)
        .not_valid_after(AT + _YEAR / 4)
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def leaf(*more: tuple[x509.ExtensionType, bool], names: Sequence[str] = (HOST,)) -> str:
    """Return a server's certificate issued by the CA "issuing", with *more* extensions."""
    usual: Extensions = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.public_key()), False),
    )
    return signed(HOST, "issuing", key=LEAF, by=CA, extensions=(*usual, *more))


def authority(
    *more: tuple[x509.ExtensionType, bool], subject: str = "issuing", issuer: str = "root", serial: int = 7
) -> str:
    """Return a CA's certificate issued by the CA "root". Both have the same key, so either can sign the other."""
    usual: Extensions = (
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (_CA_USAGE, True),
        (x509.SubjectKeyIdentifier.from_public_key(CA.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.public_key()), False),
    )
    return signed(subject, issuer, key=CA, by=CA, extensions=(*usual, *more), serial=serial)


_CA_USAGE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def unknown(value: bytes, number: int = 1) -> tuple[x509.ExtensionType, bool]:
    """Return a non-critical extension that no client knows."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.3.6.1.4.1.55555.{number}"), value), False


def known(dotted: str, value: bytes) -> tuple[x509.ExtensionType, bool]:
    """Return the non-critical extension with the object identifier *dotted* and any *value*."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), value), False


def constraints(count: int) -> tuple[x509.ExtensionType, bool]:
    """Return name constraints with *count* permitted subtrees that do not match HOST, and one that does."""
    trees = [x509.DNSName(f"t{number}.example.net") for number in range(count)]
    return x509.NameConstraints([*trees, x509.DNSName("example.com")], None), True


def huge_rsa_public(bits: int = 16384, exponent: int = 65537) -> bytes:
    """Return a public key with an odd modulus of *bits*, which is not a product of two known primes."""
    return der.rsa_public_key((1 << bits - 1) + (1 << bits // 2) + 1, exponent)


def rsa_private(*numbers: int) -> str:
    """Return a private key (RFC 8017 appendix A.1.2) with the numbers n, e, d, p, q, dP, dQ, qInv."""
    return der.pem("RSA PRIVATE KEY", der.sequence(der.integer(0), *map(der.integer, numbers)))


def rsa_from_primes(p: int, q: int, e: int = 65537) -> tuple[str, str]:
    """Return the private key made of two primes, after a certificate for it with a meaningless signature."""
    d = pow(e, -1, (p - 1) * (q - 1))
    private = rsa_private(p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return der.pem("CERTIFICATE", der.certificate(public_key=der.rsa_public_key(p * q, e))), private


def ec_with_explicit_curve(prime_bits: int) -> str:
    """Return an EC key with explicit parameters (RFC 3279 section 2.3.5) of a curve over a field of *prime_bits*."""
    prime = (1 << prime_bits) - 1
    field = der.sequence(der.oid("1.2.840.10045.1.1"), der.integer(prime))
    size = prime_bits // 8
    curve = der.sequence(der.octets(b"\1" * size), der.octets(b"\2" * size))
    parameters = der.sequence(
        der.integer(1), field, curve, der.octets(b"\4" + b"\1" * 2 * size), der.integer(prime - 2)
    )
    private = der.sequence(der.integer(1), der.octets(b"\1" * 32), der.tlv(0xA0, parameters))
    return der.pem("EC PRIVATE KEY", private)


def encrypted(iterations: int) -> str:
    """Return an encrypted key (RFC 5958, PBES2 of RFC 8018) that needs *iterations* to try one passphrase."""
    kdf = der.sequence(der.oid("1.2.840.113549.1.5.12"), der.sequence(der.octets(bytes(8)), der.integer(iterations)))
    cipher = der.sequence(der.oid("2.16.840.1.101.3.4.1.42"), der.octets(bytes(16)))
    pbes2 = der.sequence(der.oid("1.2.840.113549.1.5.13"), der.sequence(kdf, cipher))
    return der.pem("ENCRYPTED PRIVATE KEY", der.sequence(pbes2, der.octets(bytes(128))))


def spki() -> bytes:
    """Return the leaf's public key (SubjectPublicKeyInfo, DER)."""
    return LEAF.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def plain(public_key: bytes = b"", **parts: bytes | int) -> str:
    """Return a certificate in PEM with a meaningless signature."""
    return der.pem("CERTIFICATE", der.certificate(public_key=public_key or spki(), **parts))  # type: ignore[arg-type]  # *parts* are arguments of `certificate`
