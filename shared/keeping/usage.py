"""How many stored keys, and waiting uploads, need each ring key."""

from shared.store import Connection, resealing
from shared.vault.files import WRITERS


async def needs(connection: Connection) -> dict[str, int]:
    """Return how much is sealed to, or signed with, each ring key that anything is, by its id."""
    found = await resealing.wraps_by_vault_key(connection)
    for writer in WRITERS:
        found |= await resealing.signatures_by_signing_key(connection, writer=writer)
    return found | await resealing.waiting_uploads_by_intake_key(connection)
