"""Rotation of a signing ring: signatures are checked and made again, then the older key is deleted from both files.

A verify key that stays would let a thief of its secret half sign keys, so a key that nothing needs is not kept.
"""

from datetime import datetime, timedelta
from typing import Final

from certsmith.rotation import stored_keys
from certsmith.rotation.batches import renew_all
from certsmith.rotation.options import RotationBlockedError, RotationOptions, RotationReport
from certsmith.rotation.resealing import Resigner, StoredSignature
from certsmith.rotation.ring_files import SIGNING, RingFiles
from shared.store import Connection
from shared.vault import KeyFiles
from shared.vault.key_files import Writer

# Longer than any statement of a service: a row stored after this was signed after the new key was active.
_LATE: Final = timedelta(seconds=60)


class SigningRotation:
    """A signing ring's rotation to its next key."""

    def __init__(self, key_files: KeyFiles, writer: Writer) -> None:
        self.ring = RingFiles(key_files, SIGNING[writer])

    def ready_at(self, options: RotationOptions) -> datetime:
        """Return when everything that was sealed or signed with an older key is stored."""
        return self.ring.newest.begins_at + timedelta(seconds=options.settle_seconds)

    async def finish(self, options: RotationOptions, *, begun: bool) -> RotationReport:
        """Sign all rows of the writer with the newest key, and delete the older ones.

        Raises:
            RotationBlockedError: a service still signs with an older key.
        """
        ring = self.ring
        work = _Signatures(ring)
        async with options.connect() as connection:
            result = await renew_all(connection, work, options.notify)
        if work.late:
            raise RotationBlockedError(
                f"the {ring.pair.writer} has signed {work.late} keys with an older key, although {ring.newest.id} is "
                f"current since {ring.newest.begins_at:%H:%M:%S} UTC: its {ring.pair.secret.name} is old, or its clock "
                "is slow. The keys were signed again, and the older signing key was not deleted: update the file or "
                "correct the clock, then run this command again"
            )
        older = tuple(key.id for key in (*ring.older, *ring.retired, *ring.orphans))
        if older:
            ring.forget(older, now=options.now())
        return RotationReport(
            ring=ring.pair.name,
            current=ring.newest.id,
            begun=begun,
            renewed=result.done,
            left=result.left,
            deleted=older,
        )


class _Signatures:
    """The renewal of a writer's signatures that are not by its newest key."""

    def __init__(self, ring: RingFiles) -> None:
        self.name = f"{ring.pair.name}: re-signed"
        assert ring.pair.writer is not None
        self._writer = ring.pair.writer
        self._by = ring.newest
        self._resigner = Resigner(ring.public, writer=self._writer, to=self._by)
        self.late = 0  # signatures made with an older key although the newest was in use

    async def count(self, connection: Connection) -> int:
        """Return how many of these signatures there are."""
        found = await stored_keys.signatures_by_signing_key(connection, writer=self._writer)
        return sum(number for key_id, number in found.items() if key_id != self._by.id)

    async def batch(self, connection: Connection, *, after: str, limit: int) -> list[StoredSignature]:
        """Return up to *limit* of these signatures, after the key id *after*."""
        return await stored_keys.signatures(
            connection, writer=self._writer, not_by=self._by.id, after=after, limit=limit
        )

    def renew(self, stored: StoredSignature) -> bytes:
        """Return a signature by the newest key."""
        signature = self._resigner.renew(stored)
        if stored.created_at > self._by.begins_at + _LATE:
            self.late += 1
        return signature

    async def replace(self, connection: Connection, new: list[tuple[StoredSignature, bytes]]) -> int:
        """Replace these signatures; return how many were replaced."""
        return await stored_keys.replace_signatures(connection, new, by=self._by.id)
