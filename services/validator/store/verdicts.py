"""The last transaction of an upload: its verdict, its rows in the registry, and its facts. It erases the sealed key."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.validator.rules.uploads import ClaimedUpload, other_chain
from services.validator.store import events
from services.validator.store.claims import lost
from services.validator.store.uploads import remarks
from shared.certificates import CertificateFacts
from shared.events import DomainVersion, EventReason
from shared.identifiers import CertificateId
from shared.registry import certificates, domains
from shared.store import Connection, Pool
from shared.vault import SealedKey

# Locks the row, so that only one verdict is written. If the tenant has the certificate already, that row is held as
# well, so that it is not deleted before this transaction refers to it.
_HOLD: Final = """
SELECT known.id, known.issuers
FROM validator.uploads AS u LEFT JOIN LATERAL (
    SELECT certificate.id, chain.certificates AS issuers
    FROM registry.certificates AS certificate JOIN registry.chains AS chain ON chain.id = certificate.chain_id
    CROSS JOIN registry.hold_certificate(certificate.id, certificate.tenant)
    WHERE certificate.tenant = u.tenant AND certificate.fingerprint = $3
) AS known ON true
WHERE u.certificate_id = $1 AND u.lease_token = $2 AND u.state = 'received' AND u.lease_until > now() FOR UPDATE OF u
"""
_CLOSE: Final = """
UPDATE validator.uploads
SET state = $3, bundle = NULL, sealed = NULL, stored_certificate_id = $4, reasons = $5, warnings = $6,
    judged_at = now(), lease_until = NULL, lease_holder = NULL
WHERE certificate_id = $1 AND lease_token = $2 AND state = 'received' AND lease_until > now() RETURNING true
"""


class _StoredMeanwhileError(Exception):
    """Another upload of the same certificate was stored since this transaction looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedBundle:
    """What is stored of an accepted upload."""

    chain: tuple[bytes, ...] = field(repr=False)  # DER, leaf first
    facts: CertificateFacts
    key: SealedKey
    publicly_trusted: bool
    warnings: tuple[EventReason, ...]


async def accept(pool: Pool, upload: ClaimedUpload, judged: AcceptedBundle) -> CertificateId:
    """Store certificate and key, attach the certificate as the upload asks, and publish that.

    Return the id under which it is stored. That is not the upload's own when the tenant has this certificate already;
    then its key is stored already, too.

    Raises:
        LostLeaseError: the lease has expired; nothing was written.
        UnfitCertificateError: the tenant has this certificate, and not from an upload; nothing was written.
    """
    try:
        return await _accept(pool, upload, judged)
    except _StoredMeanwhileError:
        return await _accept(pool, upload, judged)


async def reject(
    pool: Pool, upload: ClaimedUpload, reasons: Sequence[EventReason], warnings: Sequence[EventReason] = ()
) -> None:
    """Store that *upload* is rejected, and publish `certificate.rejected`.

    Raises:
        LostLeaseError: the lease has expired; nothing was written.
    """
    async with pool.transaction() as connection:
        await _close(connection, upload, "rejected", reasons=reasons, warnings=warnings)
        await events.publish_rejected(connection, upload.certificate_id, reasons, warnings, cause=upload.cause)


async def _accept(pool: Pool, upload: ClaimedUpload, judged: AcceptedBundle) -> CertificateId:
    async with pool.transaction() as connection:
        held = await connection.fetchrow(_HOLD, upload.certificate_id, upload.lease_token, judged.facts.fingerprint)
        if held is None:
            raise lost(upload)
        stored_id: CertificateId = held["id"] or await _store(connection, upload, judged)
        warnings = judged.warnings
        if held["id"] is not None and tuple(held["issuers"]) != judged.chain[1:]:
            warnings = (*warnings, other_chain(stored_id))
        attached = await _attach(connection, upload, stored_id)
        await _close(connection, upload, "accepted", stored_id=stored_id, warnings=warnings)
        ready = events.ready(
            stored_id,
            uploaded_as=upload.certificate_id,
            facts=judged.facts,
            publicly_trusted=judged.publicly_trusted,
            warnings=warnings,
            domains=attached,
        )
        await events.publish(connection, ready, cause=upload.cause)
    return stored_id


async def _store(connection: Connection, upload: ClaimedUpload, judged: AcceptedBundle) -> CertificateId:
    await certificates.insert_key(connection, judged.key, tenant=upload.tenant)
    stored_id = await certificates.insert(
        connection,
        certificate_id=upload.certificate_id,
        tenant=upload.tenant,
        source="uploaded",
        key_id=judged.key.key_id,
        chain=judged.chain,
        facts=judged.facts,
        publicly_trusted=judged.publicly_trusted,
        description=upload.description,
        metadata=upload.metadata,
    )
    if stored_id != upload.certificate_id:  # this transaction rolls back, and its key with it
        raise _StoredMeanwhileError
    return stored_id


async def _attach(connection: Connection, upload: ClaimedUpload, stored_id: CertificateId) -> tuple[DomainVersion, ...]:
    """Attach the certificate to the domains that the upload names, and return those that have it now."""
    if not upload.attach:
        return ()
    done = await domains.attach_to_all(
        connection,
        tenant=upload.tenant,
        names=upload.attach,
        certificate_id=stored_id,
        requested_at=upload.requested_at,
    )
    having = []
    for attached in done:
        if attached.has_changed and attached.domain is not None:
            await events.publish_changed(connection, attached.domain, cause=upload.cause)
        if attached.effect in _HAVE_IT and attached.domain is not None:
            having.append(DomainVersion(domain=attached.domain.name, version=attached.domain.version))
    return tuple(having)


_HAVE_IT: Final = (domains.Effect.CHANGED, domains.Effect.UNCHANGED)


async def _close(
    connection: Connection,
    upload: ClaimedUpload,
    state: str,
    *,
    stored_id: CertificateId | None = None,
    reasons: Sequence[EventReason] = (),
    warnings: Sequence[EventReason] = (),
) -> None:
    is_ours = await connection.fetchval(
        _CLOSE,
        upload.certificate_id,
        upload.lease_token,
        state,
        stored_id,
        remarks(reasons),
        remarks(warnings),
    )
    if not is_ours:
        raise lost(upload)
