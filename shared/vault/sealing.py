"""Sealed private keys: format 1.

::

    context    = length_prefixed("certsmith key 1", key id, tenant, writer, SHA-256 of the public key)
    ciphertext = nonce and XChaCha20-Poly1305 of the PKCS #8 DER under a random data key; associated data: the context
    wrap       = SealedBox to the vault of (data key, SHA-256 of the context)
    signature  = Ed25519 of length_prefixed("certsmith sealed key 1", signing key id, context, ciphertext)

So a row opens only with the key id, tenant, public key and writer that it was sealed with: the data key's tag, the wrap
and the signature each cover the context. Write access to the tables does not allow signing, and a signing key does not
allow reading sealed keys back. The wrap is not signed, so a rotation can seal the data key again without the writer.

The tenant is not part of `SealedKey`: the caller of `open` states which tenant the key must belong to.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import Aead
from nacl.signing import SigningKey, VerifyKey
from nacl.utils import random

from shared.errors import MissingRingKeyError, SealError
from shared.identifiers import KeyId
from shared.vault.derived import Derived
from shared.vault.length_prefix import length_prefixed
from shared.vault.rings import Ring, RingKey, RingSource, utc_now

FORMAT: Final = 1
_CONTEXT: Final = b"certsmith key 1"
_SIGNED: Final = b"certsmith sealed key 1"
# For some lengths, PyNaCl raises a bare ValueError before its C library could refuse them.
_WRONG: Final = (CryptoError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """A private key as stored; useless without the vault's secret."""

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
    """Seals private keys on behalf of one service; cannot open them again."""

    __slots__ = ("_now", "_signing", "_vault", "_writer")

    def __init__(
        self, *, vault: RingSource, signing: RingSource, writer: str, now: Callable[[], datetime] = utc_now
    ) -> None:
        """*vault* holds public halves, *signing* the secret keys of *writer*; the clock *now* decides which are active.

        Raises:
            SettingsError: every key of one of the rings is retired or not active yet.
        """
        vault.read().current_at(now())
        signing.read().current_at(now())
        self._vault = vault
        self._signing = signing
        self._writer = writer
        self._now = now

    def seal(self, *, key_id: KeyId, tenant: str, private_key_pkcs8: bytes, public_key_spki: bytes) -> SealedKey:
        """Return the private key (PKCS #8 DER) sealed as *key_id* of *tenant*, with its public half."""
        now = self._now()
        vault, signing = self._vault.read().current_at(now), self._signing.read().current_at(now)
        context = context_of(key_id=key_id, tenant=tenant, writer=self._writer, public_key=public_key_spki)
        data_key = random(Aead.KEY_SIZE)
        ciphertext = bytes(Aead(data_key).encrypt(private_key_pkcs8, aad=context))
        return SealedKey(
            key_id=key_id,
            writer=self._writer,
            format=FORMAT,
            signing_key_id=signing.id,
            public_key=public_key_spki,
            ciphertext=ciphertext,
            signature=sign(signing, context, ciphertext),
            vault_key_id=vault.id,
            wrap=wrap(vault, data_key, context),
        )


class KeyReader:
    """Opens sealed keys with the vault's secret; of the services, only the terminator's control process has it."""

    __slots__ = ("_vault", "_verify")

    def __init__(self, *, vault: RingSource, verify: RingSource) -> None:
        """*vault* holds the secret keys, *verify* the public halves of all writers' signing keys."""
        self._vault = Derived(vault, _boxes)
        self._verify = Derived(verify, _verify_keys)

    def has_keys_for(self, sealed: SealedKey) -> bool:
        """Say whether the rings have the keys that *sealed* names; if not, check the files first.

        If they have not, the key may have been sealed or signed again since *sealed* was read.
        """
        return self._verify_key(sealed) is not None and self._box(sealed.vault_key_id) is not None

    def open(self, sealed: SealedKey, *, tenant: str) -> bytes:
        """Return the private key (PKCS #8 DER) that was sealed as this key of *tenant*.

        The caller must check that the key belongs to its certificate, whose public key must be `sealed.public_key`.

        Raises:
            MissingRingKeyError: the key is sealed to, or signed with, a key that is not in the rings.
            SealError: the row was altered, moved, or forged.
        """
        if sealed.format != FORMAT:
            raise SealError(f"the key {sealed.key_id} has the format {sealed.format}; {FORMAT} was expected")
        context = context_of(key_id=sealed.key_id, tenant=tenant, writer=sealed.writer, public_key=sealed.public_key)
        self._require_signature(sealed, context)
        box = self._box(sealed.vault_key_id)
        if box is None:
            raise MissingRingKeyError(
                f"the key {sealed.key_id} is sealed to {sealed.vault_key_id!r}, which is not in this vault ring"
            )
        data_key = unwrap(box, sealed.wrap, context, what=f"the wrap of the key {sealed.key_id}")
        try:
            return Aead(data_key).decrypt(sealed.ciphertext, aad=context)
        except _WRONG:
            raise SealError(f"the key {sealed.key_id} does not open with its data key") from None

    def _require_signature(self, sealed: SealedKey, context: bytes) -> None:
        verify = self._verify_key(sealed)
        if verify is None:
            raise MissingRingKeyError(
                f"the key {sealed.key_id} is signed with {sealed.signing_key_id!r}, "
                f"which this process does not know as a signing key of {sealed.writer!r}"
            )
        if not is_signed(
            verify,
            signing_key_id=sealed.signing_key_id,
            context=context,
            ciphertext=sealed.ciphertext,
            signature=sealed.signature,
        ):
            raise SealError(
                f"the signature of the key {sealed.key_id} is wrong: the row was altered, "
                "or belongs to another tenant or key"
            )

    def _verify_key(self, sealed: SealedKey) -> VerifyKey | None:
        name = (sealed.writer, sealed.signing_key_id)
        found = self._verify.get().get(name)
        return self._verify.get().get(name) if found is None and self._verify.refresh() else found

    def _box(self, vault_key_id: str) -> SealedBox[PrivateKey] | None:
        found = self._vault.get().get(vault_key_id)
        return self._vault.get().get(vault_key_id) if found is None and self._vault.refresh() else found


def context_of(*, key_id: KeyId, tenant: str, writer: str, public_key: bytes) -> bytes:
    """Return the context that a sealed key is bound to."""
    return length_prefixed(
        _CONTEXT, key_id.encode(), tenant.encode(), writer.encode(), hashlib.sha256(public_key).digest()
    )


def wrap(vault: RingKey, data_key: bytes, context: bytes) -> bytes:
    """Return *data_key* sealed to the public half *vault*, bound to *context*."""
    return SealedBox(PublicKey(vault.material)).encrypt(data_key + hashlib.sha256(context).digest())


def unwrap(box: SealedBox[PrivateKey], wrapped: bytes, context: bytes, *, what: str) -> bytes:
    """Return the data key in the wrap *wrapped*, which errors call *what*.

    Raises:
        SealError: the wrap was altered, was made for another key, or *box* has another secret.
    """
    try:
        opened = box.decrypt(wrapped)
    except _WRONG:
        raise SealError(f"{what} cannot be opened by the vault key that it names") from None
    data_key, context_hash = opened[: Aead.KEY_SIZE], opened[Aead.KEY_SIZE :]
    if not hmac.compare_digest(context_hash, hashlib.sha256(context).digest()):
        raise SealError(f"{what} was made for another key")
    return data_key


def sign(signing: RingKey, context: bytes, ciphertext: bytes) -> bytes:
    """Return the signature by the secret *signing* over the context of a sealed key and its ciphertext."""
    return SigningKey(signing.material).sign(_message(signing.id, context, ciphertext)).signature


def is_signed(verify: VerifyKey, *, signing_key_id: str, context: bytes, ciphertext: bytes, signature: bytes) -> bool:
    """Say whether *signature* is by the owner of *verify*, over the context of a sealed key and its ciphertext."""
    try:
        verify.verify(_message(signing_key_id, context, ciphertext), signature)
    except _WRONG:
        return False
    return True


def _message(signing_key_id: str, context: bytes, ciphertext: bytes) -> bytes:
    return length_prefixed(_SIGNED, signing_key_id.encode(), context, ciphertext)


def _boxes(vault: Ring) -> dict[str, SealedBox[PrivateKey]]:
    return {key.id: SealedBox(PrivateKey(key.material)) for key in vault.keys}


def _verify_keys(verify: Ring) -> dict[tuple[str | None, str], VerifyKey]:
    return {(key.writer, key.id): VerifyKey(key.material) for key in verify.keys}
