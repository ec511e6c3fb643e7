"""Rotation of the vault ring: wraps are sealed again, older keys are retired, and deleted when unneeded for days.

A retired vault key still opens. So keys sealed by a process that has not got the new ring yet, on a machine to which
the files were not copied, can be opened, and the next run seals them again.
"""

from datetime import datetime, timedelta
from typing import Final

from certsmith.rotation import stored_keys
from certsmith.rotation.batches import RenewalResult, renew_all
from certsmith.rotation.options import RetiredKey, RotationOptions, RotationReport
from certsmith.rotation.resealing import Rewrapper, StoredWrap
from certsmith.rotation.ring_files import VAULT, RingFiles
from shared.store import Connection
from shared.vault import KeyFiles
from shared.vault.rings import RingKey

KEPT: Final = timedelta(days=7)  # after a vault key was retired


class VaultRotation:
    """The vault ring's rotation to its next key."""

    def __init__(self, key_files: KeyFiles) -> None:
        self.ring = RingFiles(key_files, VAULT)

    def ready_at(self, options: RotationOptions) -> datetime:
        """Return when everything that was sealed to an older key is stored."""
        return self.ring.newest.begins_at + timedelta(seconds=options.settle_seconds)

    async def finish(self, options: RotationOptions, *, begun: bool) -> RotationReport:
        """Seal all wraps to the newest key, retire the older keys, and delete those that were retired long ago."""
        ring = self.ring
        async with options.connect() as connection:
            result = await renew_all(connection, _Wraps(ring), options.notify)
            older = tuple(key.id for key in ring.older)
            if older:
                ring.retire(older, at=options.now())
            needed = _needed(await stored_keys.wraps_by_vault_key(connection), result)
        due = tuple(key.id for key in ring.retired if not needed.get(key.id) and _is_due(key, options))
        if due:
            ring.forget(due, now=options.now())
        return RotationReport(
            ring=ring.pair.name,
            current=ring.newest.id,
            begun=begun,
            renewed=result.done,
            left=result.left,
            retired=older,
            deleted=due,
            waiting=tuple(
                RetiredKey(
                    id=key.id, retired_at=key.retired_at, until=key.retired_at + KEPT, needed_by=needed.get(key.id, 0)
                )
                for key in ring.retired
                if key.retired_at is not None
            ),
        )


class _Wraps:
    """The renewal of wraps that are not sealed to the newest key."""

    def __init__(self, ring: RingFiles) -> None:
        self.name = f"{ring.pair.name}: re-wrapped"
        to = ring.public.find(ring.newest.id)
        assert to is not None  # a ring's files are written together, and repaired
        self._rewrapper = Rewrapper(ring.secret, to=to)
        self._to = to.id

    async def count(self, connection: Connection) -> int:
        """Return how many of these wraps there are."""
        return sum(n for key_id, n in (await stored_keys.wraps_by_vault_key(connection)).items() if key_id != self._to)

    async def batch(self, connection: Connection, *, after: str, limit: int) -> list[StoredWrap]:
        """Return up to *limit* of these wraps, after the key id *after*."""
        return await stored_keys.wraps(connection, not_to=self._to, after=after, limit=limit)

    def renew(self, stored: StoredWrap) -> bytes:
        """Return the same data key sealed to the newest key."""
        return self._rewrapper.renew(stored)

    async def replace(self, connection: Connection, new: list[tuple[StoredWrap, bytes]]) -> int:
        """Replace these wraps; return how many were replaced."""
        return await stored_keys.replace_wraps(connection, new, to=self._to)


def _needed(sealed: dict[str, int], result: RenewalResult) -> dict[str, int]:
    """Return how many wraps need each vault key; one that does not open with the key that it names does not need it."""
    needed = dict(sealed)
    for left in result.left:
        needed[left.ring_key_id] = needed.get(left.ring_key_id, 0) - 1
    return {key_id: number for key_id, number in needed.items() if number > 0}


def _is_due(key: RingKey, options: RotationOptions) -> bool:
    return key.retired_at is not None and (options.forgets_now or options.now() >= key.retired_at + KEPT)
