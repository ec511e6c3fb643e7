"""Sealed private keys: format 1.

::

    context    = framed("certsmith key 1", key id, tenant, writer, SHA-256 of the public key)
    ciphertext = nonce and XChaCha20-Poly1305 of the PKCS #8 DER under a random data key; associated data: the context
    wrap       = SealedBox to the vault of (data key, SHA-256 of the context)
    signature  = Ed25519 of framed("certsmith sealed key 1", signing key id, context, ciphertext)

So a row opens only as the key, of the tenant, with the public key and from the writer that it was sealed as: the
context is under the data key's tag, under the wrap and under the signature. Whoever can write the tables cannot sign;
whoever can sign cannot read back. The wrap is not signed: rotation seals the data key anew and needs no writer.

The tenant is not part of the value: whoever opens says of which tenant the key must be.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import Aead
from nacl.signing import SigningKey, VerifyKey
from nacl.utils import random

from shared.errors import SealError
from shared.identifiers import KeyId
from shared.vault.framing import framed
from shared.vault.rings import Ring

FORMAT: Final = 1
_CONTEXT: Final = b"certsmith key 1"
_SIGNED: Final = b"certsmith sealed key 1"
# PyNaCl raises a bare ValueError for some lengths that its C library would refuse.
_WRONG: Final = (CryptoError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """A private key as it is stored; useless without the vault's secret."""

    key_id: KeyId
    writer: str
    format: int
    signing_key_id: str
    public_key: bytes = field(repr=False)  # SubjectPublicKeyInfo, DER
    ciphertext: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    vault_key_id: str
    wrap: bytes = field(repr=False)


class KeyWriter:
    """Seals private keys in the name of one service; cannot open them again."""

    __slots__ = ("_signing", "_signing_key_id", "_vault", "_vault_key_id", "_writer")

    def __init__(self, *, vault: Ring, signing: Ring, writer: str) -> None:
        """*vault* holds public halves, *signing* the secret keys of *writer*."""
        self._writer = writer
        self._vault_key_id = vault.current.id
        self._vault = SealedBox(PublicKey(vault.current.material))
        self._signing_key_id = signing.current.id
        self._signing = SigningKey(signing.current.material)

    def seal(self, *, key_id: KeyId, tenant: str, private_key_pkcs8: bytes, public_key_spki: bytes) -> SealedKey:
        """Return the private key, PKCS #8 DER, sealed as *key_id* of *tenant*, with its public half."""
        context = _context(key_id=key_id, tenant=tenant, writer=self._writer, public_key=public_key_spki)
        data_key = random(Aead.KEY_SIZE)
        ciphertext = bytes(Aead(data_key).encrypt(private_key_pkcs8, aad=context))
        message = _message(self._signing_key_id, context, ciphertext)
        return SealedKey(
            key_id=key_id,
            writer=self._writer,
            format=FORMAT,
            signing_key_id=self._signing_key_id,
            public_key=public_key_spki,
            ciphertext=ciphertext,
            signature=self._signing.sign(message).signature,
            vault_key_id=self._vault_key_id,
            wrap=self._vault.encrypt(data_key + hashlib.sha256(context).digest()),
        )


class KeyReader:
    """Opens sealed private keys; only the terminator's control process can make one."""

    __slots__ = ("_vault", "_verify")

    def __init__(self, *, vault: Ring, verify: Ring) -> None:
        """*vault* holds the secret keys, *verify* the public halves of all writers' signing keys."""
        self._vault = {key.id: SealedBox(PrivateKey(key.material)) for key in vault.keys}
        self._verify = {(key.writer, key.id): VerifyKey(key.material) for key in verify.keys}

    def open(self, sealed: SealedKey, *, tenant: str) -> bytes:
        """Return the private key, PKCS #8 DER, that was sealed as this key of *tenant*.

        That it belongs to a certificate is for the caller to check: its public key must be `sealed.public_key`.

        Raises:
            SealError: the row was altered, moved, or forged, or is sealed to a vault that is not here.
        """
        if sealed.format != FORMAT:
            raise SealError(f"the key {sealed.key_id} has the format {sealed.format}; {FORMAT} was expected")
        context = _context(key_id=sealed.key_id, tenant=tenant, writer=sealed.writer, public_key=sealed.public_key)
        self._require_signature(sealed, context)
        data_key = self._unwrap(sealed, context)
        try:
            return Aead(data_key).decrypt(sealed.ciphertext, aad=context)
        except _WRONG:
            raise SealError(f"the key {sealed.key_id} does not open with its data key") from None

    def _require_signature(self, sealed: SealedKey, context: bytes) -> None:
        verify = self._verify.get((sealed.writer, sealed.signing_key_id))
        if verify is None:
            raise SealError(
                f"the key {sealed.key_id} is signed with {sealed.signing_key_id!r}, "
                f"which is no signing key of {sealed.writer!r} known here"
            )
        try:
            verify.verify(_message(sealed.signing_key_id, context, sealed.ciphertext), sealed.signature)
        except _WRONG:
            raise SealError(
                f"the signature of the key {sealed.key_id} does not fit: altered, or another tenant's or key's"
            ) from None

    def _unwrap(self, sealed: SealedKey, context: bytes) -> bytes:
        vault = self._vault.get(sealed.vault_key_id)
        if vault is None:
            raise SealError(f"the key {sealed.key_id} is sealed to {sealed.vault_key_id!r}, which is no vault key here")
        try:
            opened = vault.decrypt(sealed.wrap)
        except _WRONG:
            raise SealError(f"the wrap of the key {sealed.key_id} cannot be opened by {sealed.vault_key_id}") from None
        data_key, context_hash = opened[: Aead.KEY_SIZE], opened[Aead.KEY_SIZE :]
        if not hmac.compare_digest(context_hash, hashlib.sha256(context).digest()):
            raise SealError(f"the wrap of the key {sealed.key_id} was made for another key")
        return data_key


def _context(*, key_id: KeyId, tenant: str, writer: str, public_key: bytes) -> bytes:
    return framed(_CONTEXT, key_id.encode(), tenant.encode(), writer.encode(), hashlib.sha256(public_key).digest())


def _message(signing_key_id: str, context: bytes, ciphertext: bytes) -> bytes:
    return framed(_SIGNED, signing_key_id.encode(), context, ciphertext)
