"""Registers, changes, deletes and transfers domains, in the caller's transaction."""

from dataclasses import replace
from datetime import datetime
from typing import Unpack

from shared.events import TerminateTls
from shared.identifiers import CertificateId, DomainId
from shared.names import Name
from shared.registry.domains import attaching
from shared.registry.domains.attaching import Attachment
from shared.registry.domains.locking import begin, lock_name
from shared.registry.domains.model import (
    Applied,
    Configuration,
    ConfigurationChanges,
    Domain,
    Effect,
    UnknownDomainError,
)
from shared.registry.domains.rows import find_locked, get, holder_of
from shared.registry.domains.writing import insert, set_holding, write
from shared.store.connection import Connection


async def register(
    connection: Connection,
    *,
    tenant: str,
    name: Name,
    requested_at: datetime,
    configuration: Configuration,
    detaches: bool = False,
) -> Applied:
    """Register *name* for *tenant*; if no other tenant holds the name, this registration does.

    Idempotent by state: of any number of equal requests, concurrent or not, only the first has an effect.

    The attached certificate is that of the newest attachment: by this request, if it names a certificate, or none with
    *detaches*; by an earlier request, if this one names none; or by an upload that arrived before the domain was
    registered, or registered again after a deletion that is older than the upload.

    Raises:
        UnfitCertificateError: the certificate to attach, or the one that terminate_tls names, was not uploaded by the
            tenant, or does not cover this name.
    """
    requested_at, _ = await begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(effect=Effect.STALE, domain=before)
    requested = _requested(configuration.attached_certificate_id, requested_at, detaches=detaches)
    attachment = attaching.newest(await _earlier(connection, before, tenant=tenant, name=name), requested)
    configuration = replace(configuration, attached_certificate_id=attachment.certificate_id)
    to_attach = configuration.attached_certificate_id if attachment is requested else None
    await _require_fit(connection, tenant, name, to_attach, configuration.terminate_tls)
    holder = await holder_of(connection, name)
    if before is None:
        created = await insert(
            connection,
            tenant=tenant,
            name=name,
            holds_name=holder is None,
            requested_at=requested_at,
            configuration=configuration,
            attachment_requested_at=attachment.requested_at,
        )
        return Applied(effect=Effect.CREATED, domain=created)
    after = replace(
        before,
        holds_name=holder is None or holder.id == before.id,
        configuration=configuration,
        requested_at=requested_at,
        attachment_requested_at=attachment.requested_at,
        deleted_at=None,
    )
    return await write(connection, before, after, Effect.REVIVED if before.is_deleted else Effect.CHANGED)


async def update(
    connection: Connection, *, tenant: str, name: Name, requested_at: datetime, **changes: Unpack[ConfigurationChanges]
) -> Applied | None:
    """Change the named fields of a registered domain; return None when the tenant has no such domain.

    The certificate is neither attached nor detached if an upload that is newer than this request attached another one.

    Raises:
        UnfitCertificateError: the certificate to attach, or the one that terminate_tls names, was not uploaded by the
            tenant, or does not cover this name.
    """
    requested_at, _ = await begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(effect=Effect.STALE, domain=before)
    if before is None or before.is_deleted:
        return None
    attachment = standing = attaching.standing(before)
    if "attached_certificate_id" in changes:
        requested = Attachment(certificate_id=changes["attached_certificate_id"], requested_at=requested_at)
        attachment = attaching.newest(standing, requested)
        changes["attached_certificate_id"] = attachment.certificate_id
    to_attach = None if attachment is standing else attachment.certificate_id
    await _require_fit(connection, tenant, name, to_attach, changes.get("terminate_tls"))
    after = replace(
        before,
        configuration=replace(before.configuration, **changes),
        requested_at=requested_at,
        attachment_requested_at=attachment.requested_at,
    )
    return await write(connection, before, after, Effect.CHANGED)


async def delete(connection: Connection, *, tenant: str, name: Name, requested_at: datetime) -> Applied:
    """Replace the tenant's domain by a tombstone, which holds no name and no certificate.

    A tombstone is also written for a name that the tenant never registered: an older request to register it may still
    arrive. An attachment that was requested later than the deletion is kept as awaited.
    """
    requested_at, now = await begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(effect=Effect.STALE, domain=before)
    await attaching.delete_awaited(connection, tenant=tenant, name=name, until=requested_at)
    if before is None:
        tombstone = await insert(
            connection,
            tenant=tenant,
            name=name,
            holds_name=False,
            requested_at=requested_at,
            attachment_requested_at=requested_at,
            deleted_at=now,
        )
        return Applied(effect=Effect.UNCHANGED, domain=tombstone)
    await _keep_newer_attachment(connection, before, requested_at)
    after = replace(
        before,
        holds_name=False,
        requested_at=requested_at,
        attachment_requested_at=requested_at,
        deleted_at=before.deleted_at or now,
    )
    return await write(connection, before, after, Effect.DELETED)


async def transfer_name(connection: Connection, domain_id: DomainId, *, from_holder: bool = True) -> tuple[Domain, ...]:
    """Let the domain hold its name; return the domains that changed, the one that lost the name first.

    Nothing changes if the domain is deleted; nor, without *from_holder*, if another domain holds the name.

    Raises:
        UnknownDomainError: no domain has this id.
    """
    await lock_name(connection, (await get(connection, domain_id)).name)
    domain = await get(connection, domain_id)
    if domain.is_deleted or domain.holds_name:
        return ()
    holder = await holder_of(connection, domain.name)
    if holder is not None and not from_holder:
        return ()
    lost = () if holder is None else (await set_holding(connection, holder, holds_name=False),)
    return (*lost, await set_holding(connection, domain, holds_name=True))


async def set_automatic_certificate(connection: Connection, domain_id: DomainId, certificate_id: CertificateId) -> int:
    """Give the domain this automatic certificate, and return the domain's new version.

    Raises:
        UnknownDomainError: no domain has this id.
    """
    version: int | None = await connection.fetchval(
        "UPDATE registry.domains SET automatic_certificate_id = $2 WHERE id = $1 RETURNING version",
        domain_id,
        certificate_id,
    )
    if version is None:
        raise UnknownDomainError(domain_id)
    return version


async def erase_keys(connection: Connection, domain_id: DomainId) -> int:
    """Erase the private keys made for a deleted domain, except those that another domain uses; return how many."""
    erased: int = await connection.fetchval("SELECT registry.erase_keys($1)", domain_id)
    return erased


async def _earlier(connection: Connection, before: Domain | None, *, tenant: str, name: Name) -> Attachment:
    """Return the newest attachment before this registration: of the domain's row, or by an upload that awaits it."""
    standing = attaching.NO_REQUEST if before is None else attaching.standing(before)
    if before is not None and not before.is_deleted:
        return standing
    return attaching.newest(standing, await attaching.take_awaited(connection, tenant=tenant, name=name))


def _requested(certificate_id: CertificateId | None, requested_at: datetime, *, detaches: bool) -> Attachment:
    if certificate_id is None and not detaches:
        return attaching.NO_REQUEST
    return Attachment(certificate_id=certificate_id, requested_at=requested_at)


async def _keep_newer_attachment(connection: Connection, domain: Domain, deleted_at: datetime) -> None:
    standing = attaching.standing(domain)
    if standing.certificate_id is None or standing.requested_at is None or standing.requested_at <= deleted_at:
        return
    await attaching.await_registration(
        connection,
        tenant=domain.tenant,
        name=domain.name,
        certificate_id=standing.certificate_id,
        requested_at=standing.requested_at,
    )


async def _require_fit(
    connection: Connection,
    tenant: str,
    name: Name,
    to_attach: CertificateId | None,
    terminate_tls: TerminateTls | None,
) -> None:
    """Check that both certificates that a request names may be served for *name*."""
    named = None if terminate_tls is None else terminate_tls.server_certificate_id
    brought = (to_attach, None if named is None else CertificateId(named))
    for certificate_id in filter(None, brought):
        await attaching.require_fit(connection, tenant=tenant, name=name, certificate_id=certificate_id)
