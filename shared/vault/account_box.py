"""Seal ACME account keys with the provisioner's own secret; it must open them again to sign requests."""

from dataclasses import dataclass, field
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import Aead

from shared.errors import SealError
from shared.vault.length_prefix import length_prefixed
from shared.vault.rings import Ring, utc_now

_PURPOSE: Final = b"certsmith account key 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedAccountKey:
    """An account's sealed private key as stored, and the id of the secret that opens it."""

    key_id: str
    ciphertext: bytes = field(repr=False)


class AccountKeyBox:
    """Seals and opens the keys of ACME accounts."""

    __slots__ = ("_boxes", "_current")

    def __init__(self, secrets: Ring) -> None:
        self._current = secrets.current_at(utc_now()).id
        self._boxes = {key.id: Aead(key.material) for key in secrets.keys}

    def seal(self, key: bytes, *, context: str) -> SealedAccountKey:
        """Return *key* sealed. It opens only with the same *context*, which identifies its account."""
        ciphertext = self._boxes[self._current].encrypt(key, aad=_associated(self._current, context))
        return SealedAccountKey(key_id=self._current, ciphertext=bytes(ciphertext))

    def open(self, ciphertext: bytes, *, key_id: str, context: str) -> bytes:
        """Return the key that was sealed as *ciphertext* with the secret *key_id* in *context*.

        Raises:
            SealError: the ciphertext was altered or moved, or the secret is not in the key ring.
        """
        box = self._boxes.get(key_id)
        if box is None:
            raise SealError(f"the account key is sealed with {key_id!r}, which is not in the provisioner's key ring")
        try:
            return box.decrypt(ciphertext, aad=_associated(key_id, context))
        except (CryptoError, ValueError):  # ValueError for a ciphertext that is too short
            raise SealError(
                f"the account key does not open with {key_id}: it was altered, or belongs to another account"
            ) from None


def _associated(key_id: str, context: str) -> bytes:
    return length_prefixed(_PURPOSE, key_id.encode(), context.encode())
