"""Signatures between certificates, and the keys and algorithms that may make them."""

from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from shared.judging.certificate.reading import UNREADABLE
from shared.judging.der import NotDerError
from shared.judging.key.accepted_keys import issuer_flaw
from shared.judging.key.kinds import kind_in_certificate

# One judgement asks the same question several times, and most uploads share their intermediates.
_CACHED: Final = 64
_STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)  # CABF BR section 7.1.3.2


@lru_cache(_CACHED)
def signs(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """Say whether *issuer* signed *subject*: *subject* names it as the issuer, and its key made the signature.

    A signature by a key or algorithm outside the closed lists is assumed to be good, not verified: `key_flaw` and
    `algorithm_flaw` refuse such certificates wherever it matters.
    """
    if not bears_name_of(issuer, subject):
        return False
    if key_flaw(issuer) is not None or algorithm_flaw(subject) is not None:
        return True
    try:
        subject.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def is_root(certificate: x509.Certificate) -> bool:
    """Say whether *certificate* is signed by itself."""
    return signs(certificate, certificate)


def bears_name_of(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """Say whether *subject* names *issuer* as its issuer, byte for byte (RFC 5280 section 7.1, CABF BR 7.1.4.1)."""
    return issuer.subject.public_bytes() == subject.issuer.public_bytes()


@lru_cache(_CACHED)
def key_flaw(certificate: x509.Certificate) -> str | None:
    """Return why the key of *certificate* may not sign other certificates; None if it may.

    The answer comes from the encoding alone, so even a key that is expensive to use costs nothing here.
    """
    try:
        kind = kind_in_certificate(certificate.public_bytes(Encoding.DER))
    except NotDerError as error:
        return f"its key cannot be read: {error}"
    return issuer_flaw(kind)


def algorithm_flaw(certificate: x509.Certificate) -> str | None:
    """Return why the algorithm of the signature on *certificate* is not accepted; None if it is."""
    if certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519:
        return None
    try:
        algorithm = certificate.signature_hash_algorithm
    except UNREADABLE:
        return f"an unknown algorithm ({certificate.signature_algorithm_oid.dotted_string})"
    if isinstance(algorithm, _STRONG):
        return None
    if algorithm is None:
        return f"an algorithm that clients do not accept ({certificate.signature_algorithm_oid.dotted_string})"
    flaw = "can be forged" if isinstance(algorithm, hashes.MD5 | hashes.SHA1) else "clients do not accept"
    return f"{algorithm.name.upper().replace('SHA', 'SHA-')}, which {flaw}"
