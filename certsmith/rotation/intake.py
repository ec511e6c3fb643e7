"""Rotation of the intake ring, to which only pending uploads are sealed, and those that may still arrive.

When all validators have the new key, it replaces the older one in the file for uploaders. The older secret is kept
after that for the longest life of a sealed upload.
"""

from datetime import datetime

from certsmith.rotation import stored_keys
from certsmith.rotation.options import RetiredKey, RotationOptions, RotationReport
from certsmith.rotation.ring_files import INTAKE, RingFiles
from shared.vault import KeyFiles
from shared.vault.intake import LONGEST_LIFE
from shared.vault.rings import RingKey


class IntakeRotation:
    """The intake ring's rotation to its next key."""

    def __init__(self, key_files: KeyFiles) -> None:
        self.ring = RingFiles(key_files, INTAKE)

    def ready_at(self, _options: RotationOptions) -> datetime:
        """Return when all validators have the newest key."""
        return self.ring.newest.begins_at

    async def finish(self, options: RotationOptions, *, begun: bool) -> RotationReport:
        """Give uploaders the newest key, and delete older keys that no valid upload can be sealed to."""
        ring = self.ring
        older = tuple(key.id for key in ring.older)
        if older:
            ring.retire(older, at=options.now())
        async with options.connect() as connection:
            waiting = await stored_keys.waiting_uploads_by_intake_key(connection)
        due = tuple(key.id for key in ring.retired if _is_due(key, waiting.get(key.id, 0), options))
        refused = sum(waiting.get(key_id, 0) for key_id in due)
        if refused:
            options.notify(f"{refused} pending uploads are sealed to a deleted key and will be rejected")
        if due:
            ring.forget(due, now=options.now())
        return RotationReport(
            ring=ring.pair.name,
            current=ring.newest.id,
            begun=begun,
            renewed=0,
            retired=older,
            deleted=due,
            waiting=tuple(
                RetiredKey(
                    id=key.id,
                    retired_at=key.retired_at,
                    until=key.retired_at + LONGEST_LIFE,
                    needed_by=waiting.get(key.id, 0),
                )
                for key in ring.retired
                if key.retired_at is not None
            ),
        )


def _is_due(key: RingKey, waiting: int, options: RotationOptions) -> bool:
    if key.retired_at is None:
        return False
    return options.forgets_now or (not waiting and options.now() >= key.retired_at + LONGEST_LIFE)
