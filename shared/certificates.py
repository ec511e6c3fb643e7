"""Parse X.509 certificates (RFC 5280) into the facts that this project uses. Trust is judged elsewhere."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.errors import PermanentError
from shared.names import is_wildcard, parent_wildcard

KeyType = Literal["ecdsa", "rsa", "ed25519"]

_KEY_TYPES: Final[dict[type, KeyType]] = {
    ec.EllipticCurvePublicKey: "ecdsa",
    rsa.RSAPublicKey: "rsa",
    ed25519.Ed25519PublicKey: "ed25519",
}
# Every exception that cryptography was seen to raise for damaged certificates; TypeError is for names of a wrong type.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class UnreadableCertificateError(PermanentError):
    """Bytes that are not a certificate, or a certificate of a kind that cannot be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """The content of a leaf certificate."""

    names: tuple[str, ...]  # dNSName entries of the subjectAltName, lower case; the common name is ignored
    not_before: datetime
    not_after: datetime
    serial_number: str  # lower-case hexadecimal
    fingerprint: bytes  # SHA-256 of the DER
    issuer: str  # the distinguished name (RFC 4514)
    key_type: KeyType
    public_key_spki: bytes = field(repr=False)  # SubjectPublicKeyInfo, DER

    def is_valid_at(self, instant: datetime) -> bool:
        """Say whether *instant* lies in the period of validity, both ends included (RFC 5280 section 4.1.2.5)."""
        return self.not_before <= instant <= self.not_after


def parse(leaf: bytes) -> CertificateFacts:
    """Return the content of the certificate *leaf* (DER).

    Raises:
        UnreadableCertificateError: *leaf* is not a certificate, or its key is of a kind that cannot be served.
    """
    try:
        certificate = x509.load_der_x509_certificate(leaf)
        public_key = certificate.public_key()
        return CertificateFacts(
            names=_names(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            serial_number=f"{certificate.serial_number:x}",
            fingerprint=hashlib.sha256(leaf).digest(),
            issuer=certificate.issuer.rfc4514_string(),
            key_type=_key_type(public_key),
            public_key_spki=public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        )
    except _UNREADABLE as error:
        raise UnreadableCertificateError(f"not a certificate that can be read: {error}") from error


def covers(names: Iterable[str], host: str) -> bool:
    """Say whether a certificate for *names* covers *host*, a normalized name.

    A wildcard stands for exactly one label, the left-most (RFC 9525 section 6.3). If *host* is itself a wildcard, as a
    domain may be, only the same wildcard covers it.
    """
    wanted = {host} if is_wildcard(host) else {host, parent_wildcard(host)}
    return not wanted.isdisjoint(names)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))
    if any("\x00" in name for name in names):  # other programs would read only the part before the NUL
        raise ValueError("a name has a NUL character")
    return names


def _key_type(public_key: object) -> KeyType:
    for kind, key_type in _KEY_TYPES.items():
        if isinstance(public_key, kind):
            return key_type
    raise ValueError(f"its key is of the kind {type(public_key).__name__}; ECDSA, RSA or Ed25519 was expected")
