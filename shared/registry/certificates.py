"""Stores and reads certificates and their sealed keys, which are written once and never changed.

Uploaded certificates can be deleted together with their keys; keys of automatic ones are erased with their domain.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from shared.certificates import CertificateFacts, parse
from shared.identifiers import CertificateId, KeyId
from shared.names import Name
from shared.store.connection import Connection, Row
from shared.vault import SealedKey

Source = Literal["automatic", "uploaded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A stored certificate; its private key is stored separately."""

    id: CertificateId
    tenant: str
    source: Source
    leaf: bytes = field(repr=False)  # DER
    chain: tuple[bytes, ...] = field(repr=False)  # DER, the certificates after the leaf
    facts: CertificateFacts
    key_id: KeyId
    publicly_trusted: bool | None  # None: not checked
    description: str
    metadata: str
    created_at: datetime


_SELECT: Final = """
SELECT certificate.id, certificate.tenant, certificate.source, certificate.leaf, chain.certificates,
    certificate.key_id, certificate.publicly_trusted, certificate.description, certificate.metadata,
    certificate.created_at
FROM registry.certificates AS certificate JOIN registry.chains AS chain ON chain.id = certificate.chain_id
WHERE certificate.id = $1
"""
_INSERT: Final = """
WITH chain AS (
    INSERT INTO registry.chains (id, certificates) VALUES ($5, $6) ON CONFLICT (id) DO NOTHING
)
INSERT INTO registry.certificates (id, tenant, source, leaf, chain_id, key_id, key_type, names, not_before, not_after,
    serial_number, fingerprint, issuer, publicly_trusted, description, metadata)
VALUES ($1, $2, $3, $4, $5, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (tenant, fingerprint) DO NOTHING
RETURNING id
"""
_INSERT_KEY: Final = """
WITH key AS (
    INSERT INTO registry.keys (id, tenant, writer, format, signing_key_id, public_key, ciphertext, signature)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
)
INSERT INTO registry.key_wraps (key_id, vault_key_id, wrap) VALUES ($1, $9, $10)
"""
_SELECT_KEY: Final = """
SELECT key.id, key.writer, key.format, key.signing_key_id, key.public_key, key.ciphertext, key.signature,
    wrap.vault_key_id, wrap.wrap
FROM registry.keys AS key JOIN registry.key_wraps AS wrap ON wrap.key_id = key.id
WHERE key.id = $1
"""


async def insert_key(connection: Connection, sealed: SealedKey, *, tenant: str) -> None:
    """Store a sealed key of *tenant*."""
    await connection.execute(
        _INSERT_KEY,
        sealed.key_id,
        tenant,
        sealed.writer,
        sealed.format,
        sealed.signing_key_id,
        sealed.public_key,
        sealed.ciphertext,
        sealed.signature,
        sealed.vault_key_id,
        sealed.wrap,
    )


async def insert(
    connection: Connection,
    *,
    certificate_id: CertificateId,
    tenant: str,
    source: Source,
    key_id: KeyId,
    chain: tuple[bytes, ...],
    facts: CertificateFacts,
    publicly_trusted: bool | None = None,
    description: str = "",
    metadata: str = "",
) -> CertificateId:
    """Store the certificate *chain* (DER, leaf first) with the *facts* of its leaf; return the id of the stored one.

    That id differs from *certificate_id* if the tenant already has this very certificate.
    """
    leaf, *issuers = chain
    stored: CertificateId | None = await connection.fetchval(
        _INSERT,
        certificate_id,
        tenant,
        source,
        leaf,
        _chain_id(issuers),
        issuers,
        key_id,
        facts.key_type,
        facts.names,
        facts.not_before,
        facts.not_after,
        facts.serial_number,
        facts.fingerprint,
        facts.issuer,
        publicly_trusted,
        description,
        metadata,
    )
    if stored is None:
        stored = await connection.fetchval(
            "SELECT id FROM registry.certificates WHERE tenant = $1 AND fingerprint = $2", tenant, facts.fingerprint
        )
        assert stored is not None  # the insert conflicted with it
    return stored


async def find(connection: Connection, certificate_id: CertificateId) -> Certificate | None:
    """Return the certificate with this id, if there is one."""
    row = await connection.fetchrow(_SELECT, certificate_id)
    return None if row is None else _certificate(row)


async def delete_uploaded(
    connection: Connection, certificate_id: CertificateId, *, tenant: str
) -> tuple[Name, ...] | None:
    """Delete a certificate that *tenant* uploaded, with its key, unless domains use it; return the domains that do.

    A domain uses the certificate that is attached to it, and the one that its terminate_tls names; deleted domains do
    not count. None: the tenant uploaded no such certificate.
    """
    users: list[Name] | None = await connection.fetchval(
        "SELECT registry.delete_uploaded_certificate($1, $2)", certificate_id, tenant
    )
    return None if users is None else tuple(users)


async def is_openable(connection: Connection, certificate: Certificate) -> bool:
    """Say whether the certificate's private key still exists: deleting its domain may have erased it."""
    is_there: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT key_id FROM registry.key_wraps WHERE key_id = $1)", certificate.key_id
    )
    return is_there


async def sealed_key(connection: Connection, key_id: KeyId) -> SealedKey | None:
    """Return the sealed key with this id, or None when it was erased."""
    row = await connection.fetchrow(_SELECT_KEY, key_id)
    return None if row is None else sealed_key_of(row, key_id=key_id)


def sealed_key_of(row: Row, *, key_id: str) -> SealedKey:
    """Return the sealed key in *row*, which has the columns of `registry.keys` and of its wrap."""
    return SealedKey(
        key_id=KeyId(key_id),
        writer=row["writer"],
        format=row["format"],
        signing_key_id=row["signing_key_id"],
        public_key=row["public_key"],
        ciphertext=row["ciphertext"],
        signature=row["signature"],
        vault_key_id=row["vault_key_id"],
        wrap=row["wrap"],
    )


def _chain_id(issuers: Sequence[bytes]) -> bytes:
    """Return the id of a chain, as `registry.chain_id` does."""
    return hashlib.sha256(b"".join(hashlib.sha256(issuer).digest() for issuer in issuers)).digest()


def _certificate(row: Row) -> Certificate:
    return Certificate(
        id=row["id"],
        tenant=row["tenant"],
        source=row["source"],
        leaf=row["leaf"],
        chain=tuple(row["certificates"]),
        facts=parse(row["leaf"]),
        key_id=row["key_id"],
        publicly_trusted=row["publicly_trusted"],
        description=row["description"],
        metadata=row["metadata"],
        created_at=row["created_at"],
    )
