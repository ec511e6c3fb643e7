"""The intake: nothing that is stored is sealed to it but uploads that wait, and those that may still be on their way.

The older key is retired when the new one becomes active, and kept for the longest life of a sealed upload after that.
"""

from shared.keeping.terms import Report, Terms, Waiting
from shared.store import resealing
from shared.vault import KeyFiles
from shared.vault.intake import LONGEST_LIFE
from shared.vault.rings import RingKey
from shared.vault.rotating import INTAKE, RingFiles


class IntakeTurn:
    """The intake's way to its next key."""

    retires_at_once = True

    def __init__(self, key_files: KeyFiles) -> None:
        self.ring = RingFiles(key_files, INTAKE)

    def must_wait(self, terms: Terms) -> bool:
        """Say whether older keys are to be deleted at once: not before uploaders have the new one."""
        return terms.forgets_now

    async def finish(self, terms: Terms, *, begun: bool) -> Report:
        """Delete the older keys to which no upload can be sealed any more."""
        ring = self.ring
        async with terms.connect() as connection:
            waiting = await resealing.waiting_uploads_by_intake_key(connection)
        due = tuple(key.id for key in ring.retired if _is_due(key, waiting.get(key.id, 0), terms))
        refused = sum(waiting.get(key_id, 0) for key_id in due)
        if refused:
            terms.tell(f"{refused} uploads wait that are sealed to the deleted key: they will be rejected")
        if due:
            ring.forget(due, now=terms.now())
        return Report(
            ring=ring.pair.name,
            current=ring.newest.id,
            begun=begun,
            renewed=0,
            deleted=due,
            waiting=tuple(
                Waiting(
                    id=key.id,
                    retired_at=key.retired_at,
                    until=key.retired_at + LONGEST_LIFE,
                    needed_by=waiting.get(key.id, 0),
                )
                for key in ring.retired
                if key.retired_at is not None
            ),
        )


def _is_due(key: RingKey, waiting: int, terms: Terms) -> bool:
    if key.retired_at is None or not key.is_retired_at(terms.now()):
        return False
    return terms.forgets_now or (not waiting and terms.now() >= key.retired_at + LONGEST_LIFE)
