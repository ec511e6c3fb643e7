"""Who signed whom: signatures among certificates, and which keys and algorithms a signature may come from."""

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

# One judgement asks the same several times, and most uploads share their intermediates.
_REMEMBERED: Final = 64
_STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)  # CABF BR section 7.1.3.2


@lru_cache(_REMEMBERED)
def signs(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """Say whether *issuer* signed *subject*: its name is there as the issuer, and its key made the signature.

    Keys and algorithms outside of the closed lists are not used. Their word is taken, for `key_flaw` and
    `algorithm_flaw` refuse them wherever it matters.
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


@lru_cache(_REMEMBERED)
def key_flaw(certificate: x509.Certificate) -> str | None:
    """Return what is wrong with the key of *certificate* as one that signs others; None if nothing is.

    It is decided from the encoding, so a key that is costly to use costs nothing here.
    """
    try:
        kind = kind_in_certificate(certificate.public_bytes(Encoding.DER))
    except NotDerError as error:
        return f"its key cannot be read: {error}"
    return issuer_flaw(kind)


def algorithm_flaw(certificate: x509.Certificate) -> str | None:
    """Return what is wrong with the algorithm of the signature on *certificate*; None if nothing is."""
    if certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519:
        return None
    try:
        algorithm = certificate.signature_hash_algorithm
    except UNREADABLE:
        return f"an unknown algorithm ({certificate.signature_algorithm_oid.dotted_string})"
    if isinstance(algorithm, _STRONG):
        return None
    if algorithm is None:
        return f"an algorithm that clients do not take ({certificate.signature_algorithm_oid.dotted_string})"
    flaw = "can be forged" if isinstance(algorithm, hashes.MD5 | hashes.SHA1) else "clients do not take"
    return f"{algorithm.name.upper().replace('SHA', 'SHA-')}, which {flaw}"
