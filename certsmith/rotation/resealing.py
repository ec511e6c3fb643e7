"""Moves sealed keys to new ring keys without opening the private keys.

A wrap is opened and its data key is sealed again; the private key under the data key stays as it is. A signature is
checked and made again. A wrap that does not open, or a signature that does not verify, is left unchanged, so that
nothing forged becomes genuine.
"""

from dataclasses import dataclass, field
from datetime import datetime

from nacl.public import PrivateKey, SealedBox
from nacl.signing import VerifyKey

from shared.errors import MissingRingKeyError, SealError
from shared.identifiers import KeyId
from shared.vault.rings import Ring, RingKey
from shared.vault.sealing import FORMAT, context_of, is_signed, sign, unwrap, wrap


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWrap:
    """A stored key's wrap at one version of its row, with the fields that it is bound to."""

    key_id: KeyId
    tenant: str
    writer: str
    public_key: bytes = field(repr=False)
    ring_key_id: str
    wrap: bytes = field(repr=False)
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignature:
    """A stored key's signature, with the fields that it covers."""

    key_id: KeyId
    tenant: str
    writer: str
    format: int
    public_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    ring_key_id: str
    signature: bytes = field(repr=False)
    created_at: datetime


class Rewrapper:
    """Seals data keys to another vault key; needs the vault's secret, but no signing key."""

    def __init__(self, vault: Ring, *, to: RingKey) -> None:
        """*vault* holds secret keys, *to* is the public half that data keys are sealed to."""
        self.to = to
        self._boxes = {key.id: SealedBox(PrivateKey(key.material)) for key in vault.keys}

    def renew(self, stored: StoredWrap) -> bytes:
        """Return the data key of *stored*, sealed to the new key.

        Raises:
            MissingRingKeyError: *stored* is sealed to a vault key that is not here.
            SealError: *stored* does not open, or was made for another key.
        """
        box = self._boxes.get(stored.ring_key_id)
        if box is None:
            raise MissingRingKeyError(f"it is sealed to {stored.ring_key_id!r}, which is not in this vault ring")
        context = context_of(
            key_id=stored.key_id, tenant=stored.tenant, writer=stored.writer, public_key=stored.public_key
        )
        return wrap(self.to, unwrap(box, stored.wrap, context, what="its wrap"), context)


class Resigner:
    """Signs again what a writer has signed."""

    def __init__(self, verify: Ring, *, writer: str, to: RingKey) -> None:
        """*verify* holds public halves, *to* is the secret of *writer* that signs."""
        self.to = to
        self.writer = writer
        self._verify = {key.id: VerifyKey(key.material) for key in verify.keys if key.writer == writer}

    def renew(self, stored: StoredSignature) -> bytes:
        """Return a new signature for *stored*, after verifying the old one.

        Raises:
            MissingRingKeyError: *stored* is signed with a key that is not here.
            SealError: the old signature does not verify, or the format is unknown.
        """
        if stored.format != FORMAT:
            raise SealError(f"its format is {stored.format}; {FORMAT} was expected")
        verify = self._verify.get(stored.ring_key_id)
        if verify is None:
            raise MissingRingKeyError(
                f"it is signed with {stored.ring_key_id!r}, which is not a key of {self.writer} here"
            )
        context = context_of(
            key_id=stored.key_id, tenant=stored.tenant, writer=stored.writer, public_key=stored.public_key
        )
        if not is_signed(
            verify,
            signing_key_id=stored.ring_key_id,
            context=context,
            ciphertext=stored.ciphertext,
            signature=stored.signature,
        ):
            raise SealError("its signature does not verify: it was altered, or moved from another row")
        return sign(self.to, context, stored.ciphertext)
