"""Makes a private key and its certificate signing request (CSR, RFC 2986).

The key is in the clear only in the value returned here, and the caller seals it at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

RSA_BITS: Final = 4096


@dataclass(frozen=True, slots=True)
class KeyAndRequest:
    """A new private key (PKCS #8 DER), its public half (SubjectPublicKeyInfo DER) and the CSR (DER)."""

    private_key: bytes = field(repr=False)
    public_key: bytes
    request: bytes


def make(names: Sequence[str], *, key_type: str) -> KeyAndRequest:
    """Return a new key of *key_type* (`ecdsa`: P-256; `rsa`: 4096 bits, a second of CPU) and the CSR for *names*.

    The names are in the subjectAltName only: a common name is limited to 64 characters, and nothing needs it
    (RFC 8555 section 7.4, CA/Browser Forum Baseline Requirements section 7.1.4.3).
    """
    key = (
        rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        if key_type == "rsa"
        else ec.generate_private_key(ec.SECP256R1())
    )
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyAndRequest(
        private_key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        public_key=key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        request=request.public_bytes(Encoding.DER),
    )


def public_key_of(request: bytes) -> bytes:
    """Return the public key of a CSR as SubjectPublicKeyInfo DER."""
    key = x509.load_der_x509_csr(request).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
