"""Key rings in memory, for tests of sealing and opening."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from shared.vault import Ring, RingKey

BORN = datetime(2026, 1, 1, tzinfo=UTC)


def ring(name: str, *materials: bytes, retired: int = 0, writer: str | None = None) -> Ring:
    """Return a ring with these keys, oldest first; the first *retired* of them are retired."""
    keys = tuple(
        RingKey(
            id=f"{name}-{number}",
            material=material,
            created_at=BORN + timedelta(days=number),
            retired_at=BORN + timedelta(days=100) if number < retired else None,
            writer=writer,
        )
        for number, material in enumerate(materials)
    )
    return Ring(name=name, keys=keys)


def vault_pair(name: str = "vault", *, keys: int = 1, retired: int = 0) -> tuple[Ring, Ring]:
    """Return the secret and the public half of a ring of Curve25519 keys."""
    secrets = [PrivateKey.generate() for _ in range(keys)]
    return (
        ring(name, *(bytes(key) for key in secrets), retired=retired),
        ring(name, *(bytes(key.public_key) for key in secrets), retired=retired),
    )


def signing_pair(writer: str = "provisioner", *, keys: int = 1, retired: int = 0) -> tuple[Ring, Ring]:
    """Return the secret and the public half of a ring of Ed25519 keys of *writer*."""
    secrets = [SigningKey.generate() for _ in range(keys)]
    return (
        ring(writer, *(bytes(key) for key in secrets), retired=retired),
        ring(writer, *(bytes(key.verify_key) for key in secrets), retired=retired, writer=writer),
    )


def joined(*rings: Ring) -> Ring:
    """Return one ring with the keys of all *rings*."""
    return Ring(name=rings[0].name, keys=tuple(key for each in rings for key in each.keys))


def oldest_of(ring: Ring) -> Ring:
    """Return *ring* as it was when it had only its first key."""
    return replace(ring, keys=(replace(ring.keys[0], retired_at=None),))
