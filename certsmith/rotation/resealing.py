"""Sealed keys under new ring keys, without opening them: what the keeper does when rings rotate.

A wrap is opened and its data key sealed anew; the private key under the data key stays as it is. A signature is checked
and made anew. What cannot be opened, or was not signed by whom it says, is left as it is: nothing forged becomes
genuine.
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
    """A stored key's wrap, at one version of its row, and what it is bound to."""

    key_id: KeyId
    tenant: str
    writer: str
    public_key: bytes = field(repr=False)
    ring_key_id: str
    wrap: bytes = field(repr=False)
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignature:
    """A stored key's signature, and all that it is over."""

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
    """Seals data keys anew; needs the vault's secret, and no writer."""

    def __init__(self, vault: Ring, *, to: RingKey) -> None:
        """*vault* holds secret keys, *to* is the public half that data keys are sealed to."""
        self.to = to
        self._boxes = {key.id: SealedBox(PrivateKey(key.material)) for key in vault.keys}

    def renew(self, stored: StoredWrap) -> bytes:
        """Return the data key of *stored*, sealed anew.

        Raises:
            MissingRingKeyError: it is sealed to a vault key that is not here.
            SealError: it does not open, or was made for another key.
        """
        box = self._boxes.get(stored.ring_key_id)
        if box is None:
            raise MissingRingKeyError(f"it is sealed to {stored.ring_key_id!r}, which is no vault key here")
        context = context_of(
            key_id=stored.key_id, tenant=stored.tenant, writer=stored.writer, public_key=stored.public_key
        )
        return wrap(self.to, unwrap(box, stored.wrap, context, what="its wrap"), context)


class Resigner:
    """Signs anew what a writer has signed."""

    def __init__(self, verify: Ring, *, writer: str, to: RingKey) -> None:
        """*verify* holds public halves, *to* is the secret of *writer* that signs."""
        self.to = to
        self.writer = writer
        self._verify = {key.id: VerifyKey(key.material) for key in verify.keys if key.writer == writer}

    def renew(self, stored: StoredSignature) -> bytes:
        """Return a new signature for *stored*, whose old one fits.

        Raises:
            MissingRingKeyError: it is signed with a key that is not here.
            SealError: the old signature does not fit, or the format is not known here.
        """
        if stored.format != FORMAT:
            raise SealError(f"its format is {stored.format}; {FORMAT} was expected")
        verify = self._verify.get(stored.ring_key_id)
        if verify is None:
            raise MissingRingKeyError(
                f"it is signed with {stored.ring_key_id!r}, which is no key of {self.writer} here"
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
            raise SealError("its signature does not fit: it was altered, or moved from another row")
        return sign(self.to, context, stored.ciphertext)
