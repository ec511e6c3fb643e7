"""Certificates for tests: valid by default, broken exactly where a test needs it.

`issue` makes every certificate that cryptography agrees to make. `rewritten` replaces parts of a certificate's DER and
signs it again, for certificates that no authority would issue.
"""

import functools
import hashlib
import ipaddress
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.builders.judging import der

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Extension = tuple[x509.ExtensionType, bool]  # with whether it is critical

AT: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOST: Final = "shop.example.com"
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Any  # a Key, or a key of a kind that a test wants refused

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM, as in a bundle."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PKCS #8 PEM."""
        form: bytes = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return form


@functools.cache
def ec_key(number: int, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """Return a key on *curve*, by default P-256; the same key for the same *number*."""
    return ec.derive_private_key(int.from_bytes(_secret(number)[:24]), curve or ec.SECP256R1())


@functools.cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return an RSA key of *bits*; a different key for each *number*."""
    del number
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ed25519_key(number: int) -> ed25519.Ed25519PrivateKey:
    """Return an Ed25519 key; the same key for the same *number*."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(_secret(number))


def issue(
    subject: str | x509.Name = HOST,
    *,
    by: Issued | None = None,
    key: Any = None,
    names: Sequence[str | x509.GeneralName] = (HOST,),
    ca: bool = False,
    path_length: int | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    serial: int | None = None,
    issuer: x509.Name | None = None,
    signer: Any = None,
    digest: Any = None,
    pss: bool = False,
    extensions: Mapping[type[x509.ExtensionType], Extension | None] | None = None,
    more: Sequence[Extension] = (),
) -> Issued:
    """Return a certificate for *subject* (a common name or a whole name), signed *by* another or by itself.

    It is an authority's certificate if *ca*, else a server's. *extensions* replaces usual extensions by kind (None
    leaves one out); *more* adds others. *issuer* and *signer* (a key) forge an issuer other than *by*.
    """
    key = key or ec_key(zlib.crc32(f"{subject} {ca} {by is None}".encode()))
    name = named(subject) if isinstance(subject, str) else subject
    life = (365 * DAY, 9 * 365 * DAY) if ca else (10 * DAY, 80 * DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer if issuer is not None else by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before or AT - life[0])
        .not_valid_after(not_after or AT + life[1])
    )
    wanted = _usual(key, by=by, names=names, ca=ca, path_length=path_length) | dict(extensions or {})
    for extension in (*wanted.values(), *more):
        if extension is not None:
            builder = builder.add_extension(extension[0], critical=extension[1])
    signing_key = signer or (by.key if by else key)
    if digest is None and isinstance(signing_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey):
        digest = hashes.SHA256()
    scheme = padding.PSS(padding.MGF1(digest), digest.digest_size) if pss else None
    return Issued(certificate=builder.sign(signing_key, digest, rsa_padding=scheme), key=key)


def authority(subject: str | x509.Name, *, by: Issued | None = None, **other: Any) -> Issued:
    """Return an authority's certificate: a root, unless it is signed *by* another; see `issue`."""
    return issue(subject, by=by, ca=True, names=(), **other)


def named(common_name: str, **other: str) -> x509.Name:
    """Return a name: CN=*common_name*, and O, OU, C, L as keywords."""
    oids = {
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "C": NameOID.COUNTRY_NAME,
        "L": NameOID.LOCALITY_NAME,
        "emailAddress": NameOID.EMAIL_ADDRESS,
    }
    attributes = [x509.NameAttribute(oids[key], text) for key, text in other.items()]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternatives(*names: str | x509.GeneralName) -> x509.SubjectAlternativeName:
    """Return a subjectAltName of host names, addresses and other general names."""
    return x509.SubjectAlternativeName([_general(name) for name in names])


def usage(*wanted: str) -> x509.KeyUsage:
    """Return a keyUsage with only the bits *wanted*, such as `digital_signature`."""
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in wanted for bit in bits})


def purposes(*wanted: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    """Return an extendedKeyUsage."""
    return x509.ExtendedKeyUsage(wanted)


def constraints(permitted: Sequence[Any] | None = None, excluded: Sequence[Any] | None = None) -> x509.NameConstraints:
    """Return name constraints from DNS names as text, networks, or general names."""
    return x509.NameConstraints(
        None if permitted is None else [_subtree(name) for name in permitted],
        None if excluded is None else [_subtree(name) for name in excluded],
    )


def unknown(oid: str = "1.3.6.1.4.1.55738.666.1", value: bytes = b"\x05\x00") -> x509.UnrecognizedExtension:
    """Return an extension that no client knows; or the one named by *oid*, with any *value*."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def bundle(*chain: Issued) -> bytes:
    """Return the PEM of *chain*, in that order."""
    return b"".join(issued.pem for issued in chain)


def rewritten(
    original: Issued,
    *,
    by: Issued | None = None,
    version: int | None = 3,
    serial: bytes | None = None,
    algorithm: bytes | None = None,
    issuer: bytes | None = None,
    validity: bytes | None = None,
    subject: bytes | None = None,
    public_key: bytes | None = None,
    extensions: Sequence[bytes] | None = None,
    outer_algorithm: bytes | None = None,
    signature: bytes | None = None,
) -> Issued:
    """Return *original* with parts of its DER replaced, signed again *by* another or by itself (ECDSA, SHA-256).

    *version* is 1, 2 or 3; *serial* is the content of an INTEGER; the other parts are complete DER elements.
    """
    head, parts = _parts(original.certificate.tbs_certificate_bytes)
    del head
    marks = [part for part in parts if part[0] == 0xA0]
    _, number, inner, old_issuer, old_validity, old_subject, old_key, *rest = parts if marks else [b"", *parts]
    if extensions is not None:
        rest = [der.tlv(0xA3, der.sequence(*extensions))] if extensions else []
    to_be_signed = der.sequence(
        der.tlv(0xA0, der.integer(version - 1)) if version and version > 1 else b"",
        der.tlv(0x02, serial) if serial is not None else number,
        algorithm or inner,
        old_issuer if issuer is None else issuer,
        validity or old_validity,
        old_subject if subject is None else subject,
        public_key or old_key,
        *(rest if version == 3 else []),
    )
    signer = (by or original).key
    made = signature or signer.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))
    whole = der.sequence(to_be_signed, outer_algorithm or algorithm or inner, der.bits(made))
    return Issued(certificate=x509.load_der_x509_certificate(whole), key=original.key)


def raw_extensions(issued: Issued) -> list[bytes]:
    """Return the extensions of *issued* as DER elements, for `rewritten`."""
    _, parts = _parts(issued.certificate.tbs_certificate_bytes)
    _, (listed,) = _parts(parts[-1])
    return _parts(listed)[1]


def _secret(number: int) -> bytes:
    return hashlib.sha256(b"a key for tests, number %d" % number).digest()


def _usual(
    key: Any, *, by: Issued | None, names: Sequence[str | x509.GeneralName], ca: bool, path_length: int | None
) -> dict[type[x509.ExtensionType], Extension | None]:
    usual: dict[type[x509.ExtensionType], Extension | None] = {
        x509.BasicConstraints: (x509.BasicConstraints(ca=ca, path_length=path_length), True),
        x509.KeyUsage: (usage("key_cert_sign", "crl_sign") if ca else usage("digital_signature"), True),
        x509.SubjectKeyIdentifier: (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    }
    if by is not None:
        signer = by.key.public_key()
        usual[x509.AuthorityKeyIdentifier] = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), False
    if not ca:
        usual[x509.ExtendedKeyUsage] = purposes(ExtendedKeyUsageOID.SERVER_AUTH), False
    if names:
        usual[x509.SubjectAlternativeName] = alternatives(*names), False
    return usual


def _general(name: str | x509.GeneralName) -> x509.GeneralName:
    if isinstance(name, x509.GeneralName):
        return name
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subtree(name: Any) -> x509.GeneralName:
    if isinstance(name, x509.GeneralName):
        return name
    if isinstance(name, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return x509.IPAddress(name)
    return x509.DNSName(name)


def _parts(element: bytes) -> tuple[int, list[bytes]]:
    """Return the tag of *element* and the complete elements inside it."""
    begin, end = _content(element, 0)
    parts = []
    while begin < end:
        _, stop = _content(element, begin)
        parts.append(element[begin:stop])
        begin = stop
    return element[0], parts


def _content(data: bytes, begin: int) -> tuple[int, int]:
    length = data[begin + 1]
    if length < 0x80:
        return begin + 2, begin + 2 + length
    start = begin + 2 + length - 0x80
    return start, start + int.from_bytes(data[begin + 2 : start])
