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
from shared.registry.domains.model import Applied, Changes, Configuration, Domain, Effect, UnknownDomainError
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
    """Register *name* for *tenant*; a name that no other tenant holds is held from now on.

    Idempotent by state: of any number of equal requests, at once or one after another, the first has an effect.

    The attached certificate is the one asked for last: by this request, if it names one, or none with *detaches*; by
    an earlier request, which a registration that says nothing of it leaves standing; or by an upload that came before
    the domain was registered, or registered again after a deletion that is older than the upload.

    Raises:
        UnfitCertificateError: the certificate to attach, or that terminate_tls names, is none that the tenant uploaded
            for this name.
    """
    requested_at, _ = await begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(effect=Effect.STALE, domain=before)
    said = _said(configuration.attached_certificate_id, requested_at, detaches=detaches)
    standing = attaching.NOTHING_SAID if before is None else attaching.standing(before)
    if before is None or before.is_deleted:
        awaited = await attaching.take_awaited(connection, tenant=tenant, name=name)
        standing = attaching.newest(standing, awaited)
    attachment = attaching.newest(standing, said)
    configuration = replace(configuration, attached_certificate_id=attachment.certificate_id)
    to_attach = configuration.attached_certificate_id if attachment is said else None
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
    connection: Connection, *, tenant: str, name: Name, requested_at: datetime, **changes: Unpack[Changes]
) -> Applied | None:
    """Change the named fields of a registered domain; return None when the tenant has no such domain.

    A certificate is not attached or detached if an upload that is newer than this request attached another.

    Raises:
        UnfitCertificateError: the certificate to attach, or that terminate_tls names, is none that the tenant uploaded
            for this name.
    """
    requested_at, _ = await begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(effect=Effect.STALE, domain=before)
    if before is None or before.is_deleted:
        return None
    attachment = standing = attaching.standing(before)
    if "attached_certificate_id" in changes:
        said = Attachment(certificate_id=changes["attached_certificate_id"], requested_at=requested_at)
        attachment = attaching.newest(standing, said)
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
    """Leave only a tombstone of the tenant's domain: it holds no name and no certificate.

    One is also left for a name that the tenant never registered: an older request to register it may be on its way. A
    certificate whose attachment was asked for later than the deletion is awaited from now on.
    """
    requested_at, now = await begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(effect=Effect.STALE, domain=before)
    await attaching.forget_awaited(connection, tenant=tenant, name=name, until=requested_at)
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
    """Let the domain hold its name, whoever held it; return the domains that changed, the one that lost it first.

    A deleted domain can hold nothing, so nothing changes; nor without *from_holder* when somebody holds the name.

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
    """Let the domain have this automatic certificate, and return the domain's new version.

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
    """Erase the private keys made for a deleted domain, but those that a living one uses; return how many."""
    erased: int = await connection.fetchval("SELECT registry.erase_keys($1)", domain_id)
    return erased


def _said(certificate_id: CertificateId | None, requested_at: datetime, *, detaches: bool) -> Attachment:
    if certificate_id is None and not detaches:
        return attaching.NOTHING_SAID
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
    """See that both certificates that a request brings along may be shown for *name*."""
    named = None if terminate_tls is None else terminate_tls.server_certificate_id
    brought = (to_attach, None if named is None else CertificateId(named))
    for certificate_id in filter(None, brought):
        await attaching.require_fit(connection, tenant=tenant, name=name, certificate_id=certificate_id)
