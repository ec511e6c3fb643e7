"""Reads and replaces stored wraps and signatures, with the keeper's rights.

Every write compares what it replaces (version, key id, old signature) with what was read, so that a newer row is never
overwritten. It locks rows in the order of their ids, so that two rotations at once cannot deadlock.
"""

from collections.abc import Sequence
from typing import Final

from certsmith.rotation.resealing import StoredSignature, StoredWrap
from shared.identifiers import KeyId
from shared.store.connection import Connection

_WRAPS: Final = """
SELECT key.id, key.tenant, key.writer, key.public_key, wrap.vault_key_id, wrap.wrap, wrap.version
FROM registry.key_wraps AS wrap JOIN registry.keys AS key ON key.id = wrap.key_id
WHERE wrap.vault_key_id <> $1 AND wrap.key_id > $2
ORDER BY wrap.key_id LIMIT $3
"""
_REPLACE_WRAPS: Final = """
WITH same AS (
    SELECT wrap.key_id, new.wrap AS new_wrap
    FROM registry.key_wraps AS wrap
    JOIN unnest($2::text[], $3::integer[], $4::text[], $5::bytea[]) AS new (key_id, version, vault_key_id, wrap)
        ON wrap.key_id = new.key_id AND wrap.version = new.version AND wrap.vault_key_id = new.vault_key_id
    ORDER BY wrap.key_id FOR UPDATE OF wrap
)
UPDATE registry.key_wraps AS wrap
SET vault_key_id = $1, wrap = same.new_wrap, version = wrap.version + 1, updated_at = now()
FROM same WHERE wrap.key_id = same.key_id
"""
_SIGNATURES: Final = """
SELECT id, tenant, writer, format, public_key, ciphertext, signing_key_id, signature, created_at
FROM registry.keys
WHERE writer = $1 AND signing_key_id <> $2 AND id > $3
ORDER BY id LIMIT $4
"""
_REPLACE_SIGNATURES: Final = """
WITH same AS (
    SELECT key.id, new.signature AS new_signature
    FROM registry.keys AS key
    JOIN unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) AS new (id, signing_key_id, old, signature)
        ON key.id = new.id AND key.signing_key_id = new.signing_key_id AND key.signature = new.old
    ORDER BY key.id FOR NO KEY UPDATE OF key
)
UPDATE registry.keys AS key SET signing_key_id = $1, signature = same.new_signature
FROM same WHERE key.id = same.id
"""


async def wraps(connection: Connection, *, not_to: str, after: str, limit: int) -> list[StoredWrap]:
    """Return up to *limit* wraps that another vault key than *not_to* opens, with key ids above *after*, in order."""
    return [
        StoredWrap(
            key_id=KeyId(row["id"]),
            tenant=row["tenant"],
            writer=row["writer"],
            public_key=row["public_key"],
            ring_key_id=row["vault_key_id"],
            wrap=row["wrap"],
            version=row["version"],
        )
        for row in await connection.fetch(_WRAPS, not_to, after, limit)
    ]


async def replace_wraps(connection: Connection, new: Sequence[tuple[StoredWrap, bytes]], *, to: str) -> int:
    """Replace wraps by those sealed to the vault key *to*, unless changed since read; return how many."""
    status = await connection.execute(
        _REPLACE_WRAPS,
        to,
        [stored.key_id for stored, _ in new],
        [stored.version for stored, _ in new],
        [stored.ring_key_id for stored, _ in new],
        [wrap for _, wrap in new],
    )
    return _count(status)


async def wraps_by_vault_key(connection: Connection) -> dict[str, int]:
    """Return how many wraps are sealed to each vault key."""
    rows = await connection.fetch("SELECT vault_key_id, count(*) AS number FROM registry.key_wraps GROUP BY 1")
    return {row["vault_key_id"]: row["number"] for row in rows}


async def signatures(
    connection: Connection, *, writer: str, not_by: str, after: str, limit: int
) -> list[StoredSignature]:
    """Return up to *limit* signatures of *writer* that are not by the key *not_by*, after the key id *after*."""
    return [
        StoredSignature(
            key_id=KeyId(row["id"]),
            tenant=row["tenant"],
            writer=row["writer"],
            format=row["format"],
            public_key=row["public_key"],
            ciphertext=row["ciphertext"],
            ring_key_id=row["signing_key_id"],
            signature=row["signature"],
            created_at=row["created_at"],
        )
        for row in await connection.fetch(_SIGNATURES, writer, not_by, after, limit)
    ]


async def replace_signatures(connection: Connection, new: Sequence[tuple[StoredSignature, bytes]], *, by: str) -> int:
    """Replace signatures by those of the signing key *by*, unless changed since read; return how many."""
    status = await connection.execute(
        _REPLACE_SIGNATURES,
        by,
        [stored.key_id for stored, _ in new],
        [stored.ring_key_id for stored, _ in new],
        [stored.signature for stored, _ in new],
        [signature for _, signature in new],
    )
    return _count(status)


async def signatures_by_signing_key(connection: Connection, *, writer: str) -> dict[str, int]:
    """Return how many keys of *writer* are signed with each signing key."""
    query = "SELECT signing_key_id, count(*) AS number FROM registry.keys WHERE writer = $1 GROUP BY 1"
    return {row["signing_key_id"]: row["number"] for row in await connection.fetch(query, writer)}


async def waiting_uploads_by_intake_key(connection: Connection) -> dict[str, int]:
    """Return how many pending uploads are sealed to each intake key."""
    query = "SELECT intake_key_id, count(*) AS number FROM validator.uploads WHERE state = 'received' GROUP BY 1"
    return {row["intake_key_id"]: row["number"] for row in await connection.fetch(query)}


def _count(status: str) -> int:
    """Return the number of updated rows in PostgreSQL's command tag *status*."""
    return int(status.rpartition(" ")[2])
