"""Counts the stored keys and pending uploads that need each ring key."""

from certsmith.rotation import stored_keys
from shared.store import Connection
from shared.vault.key_files import WRITERS


async def count_uses(connection: Connection) -> dict[str, int]:
    """Return, by ring key id, how much is sealed to or signed with that key; unused keys are left out."""
    found = await stored_keys.wraps_by_vault_key(connection)
    for writer in WRITERS:
        found |= await stored_keys.signatures_by_signing_key(connection, writer=writer)
    return found | await stored_keys.waiting_uploads_by_intake_key(connection)
