"""Check that a private key belongs to a certificate."""

import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.judging.certificate import reading
from shared.judging.chain.bundle import Entry
from shared.judging.key.private_key import AcceptedKey, Key
from shared.judging.model import Finding, Rule

MISMATCH: Final = Rule(
    code="key_mismatch",
    source="RFC 8446 section 4.4.3",
    summary="the private key belongs to the first certificate, proven by a signature",
)
RULES: Final = (MISMATCH,)

_NONCE_BYTES: Final = 32
_PSS: Final = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=SHA256.digest_size)  # RFC 8446 section 4.2.3


def mismatch(key: Key, entries: Sequence[Entry]) -> Finding | None:
    """Return the finding that *key* does not belong to the first of *entries*; None if it does.

    The key in the first certificate must be of an accepted kind.
    """
    leaf = entries[0]
    public = leaf.certificate.public_key()
    if public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != key.public_key:
        return MISMATCH.found(_whose(key, entries), where="key")
    if not _signs_for(key.private, public):
        message = (
            f"a signature by the key does not verify with the public key of {leaf.where}; export the key again where"
            " it was made"
        )
        return MISMATCH.found(message, where="key")
    return None


def _whose(key: Key, entries: Sequence[Entry]) -> str:
    leaf, *others = entries
    for entry in others:
        try:
            public = entry.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except reading.UNREADABLE:
            continue
        if public == key.public_key:
            return f"the key belongs to {entry.where}, not to {leaf.where}; put its own certificate first"
    if key.kind != leaf.kind:
        return f"the key is {key.kind}, but {leaf.where} is for {leaf.kind}; provide the key that it was made for"
    return f"the key does not belong to {leaf.where}; provide the key that the certificate was made for"


def _signs_for(private: AcceptedKey, public: object) -> bool:
    nonce = os.urandom(_NONCE_BYTES)
    try:
        match private, public:
            case rsa.RSAPrivateKey(), rsa.RSAPublicKey():
                public.verify(private.sign(nonce, _PSS, SHA256()), nonce, _PSS, SHA256())
            case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey():
                public.verify(private.sign(nonce, ec.ECDSA(SHA256())), nonce, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PrivateKey(), ed25519.Ed25519PublicKey():
                public.verify(private.sign(nonce), nonce)
            case _:
                return False
    except (InvalidSignature, ValueError):
        return False
    return True
