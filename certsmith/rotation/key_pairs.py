"""Makes keys: secrets, their public halves, and their unique ids."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from shared.vault.rings import RingKey

_ID_CHARACTERS: Final = 16


def new_agreement_secret() -> bytes:
    """Return a new X25519 secret key, for sealing."""
    return bytes(PrivateKey.generate())


def new_signing_secret() -> bytes:
    """Return a new Ed25519 secret key, for signing."""
    return bytes(SigningKey.generate())


def agreement_public(secret: bytes) -> bytes:
    """Return the public half of an X25519 key."""
    return bytes(PrivateKey(secret).public_key)


def signing_public(secret: bytes) -> bytes:
    """Return the public half of an Ed25519 key."""
    return bytes(SigningKey(secret).verify_key)


def key_of(secret: bytes, *, prefix: str, public_of: Callable[[bytes], bytes], made_at: datetime) -> RingKey:
    """Return *secret* as a key whose id is the hash of its public half."""
    digest = hashlib.sha256(public_of(secret)).hexdigest()
    return RingKey(id=f"{prefix}-{digest[:_ID_CHARACTERS]}", material=secret, created_at=made_at)


def public_half(key: RingKey, *, public_of: Callable[[bytes], bytes], writer: str | None = None) -> RingKey:
    """Return the public half of *key*. For a signing key, *writer* is the service that signs with it."""
    return replace(key, material=public_of(key.material), writer=writer)
