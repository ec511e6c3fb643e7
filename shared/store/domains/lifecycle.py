"""Registers, changes, deletes and transfers domains, in the caller's transaction."""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final, Unpack

from shared.certificates import covers
from shared.identifiers import CertificateId, DomainId, new_domain_id
from shared.names import Name
from shared.store.connection import Connection
from shared.store.domains.model import (
    Applied,
    Changes,
    Configuration,
    Domain,
    Outcome,
    UnfitCertificateError,
    UnknownDomainError,
)
from shared.store.domains.rows import COLUMNS, domain_of, find_locked, get, holder_of

_INSERT: Final = (
    "INSERT INTO registry.domains (id, tenant, name, holds_name, requested_at, deleted_at, upstream, policy, "  # noqa: S608
    "terminate_tls, attached_certificate_id, description, metadata) "
    f"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING {COLUMNS}"
)
_UPDATE: Final = (
    "UPDATE registry.domains SET holds_name = $2, requested_at = $3, deleted_at = $4, upstream = $5, policy = $6, "  # noqa: S608
    "terminate_tls = $7, attached_certificate_id = $8, description = $9, metadata = $10 "
    f"WHERE id = $1 RETURNING {COLUMNS}"
)


async def register(
    connection: Connection, *, tenant: str, name: Name, requested_at: datetime, configuration: Configuration
) -> Applied:
    """Register *name* for *tenant*; a name that no other tenant holds is held from now on.

    Idempotent by state: of any number of equal requests, at once or one after another, the first has an effect.

    Raises:
        UnfitCertificateError: the attached certificate is not the tenant's, or not for this name.
    """
    requested_at, _ = await _begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(outcome=Outcome.STALE, domain=before)
    await _require_fit(connection, tenant, name, configuration.attached_certificate_id)
    holder = await holder_of(connection, name)
    if before is None:
        created = await _insert(
            connection,
            tenant=tenant,
            name=name,
            holds_name=holder is None,
            requested_at=requested_at,
            configuration=configuration,
        )
        return Applied(outcome=Outcome.CREATED, domain=created)
    after = replace(
        before,
        holds_name=holder is None or holder.id == before.id,
        configuration=configuration,
        requested_at=requested_at,
        deleted_at=None,
    )
    return await _write(connection, before, after, Outcome.REVIVED if before.is_deleted else Outcome.CHANGED)


async def update(
    connection: Connection, *, tenant: str, name: Name, requested_at: datetime, **changes: Unpack[Changes]
) -> Applied | None:
    """Change the named fields of a registered domain; return None when the tenant has no such domain.

    Raises:
        UnfitCertificateError: the certificate to attach is not the tenant's, or not for this name.
    """
    requested_at, _ = await _begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is not None and requested_at < before.requested_at:
        return Applied(outcome=Outcome.STALE, domain=before)
    if before is None or before.is_deleted:
        return None
    await _require_fit(connection, tenant, name, changes.get("attached_certificate_id"))
    after = replace(before, configuration=replace(before.configuration, **changes), requested_at=requested_at)
    return await _write(connection, before, after, Outcome.CHANGED)


async def delete(connection: Connection, *, tenant: str, name: Name, requested_at: datetime) -> Applied:
    """Leave only a tombstone of the tenant's domain: it holds no name and no certificate.

    One is also left for a name that the tenant never registered: an older request to register it may be on its way.
    """
    requested_at, now = await _begin(connection, name, requested_at)
    before = await find_locked(connection, tenant=tenant, name=name)
    if before is None:
        tombstone = await _insert(
            connection, tenant=tenant, name=name, holds_name=False, requested_at=requested_at, deleted_at=now
        )
        return Applied(outcome=Outcome.UNCHANGED, domain=tombstone)
    if requested_at < before.requested_at:
        return Applied(outcome=Outcome.STALE, domain=before)
    after = replace(before, holds_name=False, requested_at=requested_at, deleted_at=before.deleted_at or now)
    return await _write(connection, before, after, Outcome.DELETED)


async def transfer_name(connection: Connection, domain_id: DomainId, *, from_holder: bool = True) -> tuple[Domain, ...]:
    """Let the domain hold its name, whoever held it; return the domains that changed, the one that lost it first.

    A deleted domain can hold nothing, so nothing changes; nor without *from_holder* when somebody holds the name.

    Raises:
        UnknownDomainError: no domain has this id.
    """
    await _lock_name(connection, (await get(connection, domain_id)).name)
    domain = await get(connection, domain_id)
    if domain.is_deleted or domain.holds_name:
        return ()
    holder = await holder_of(connection, domain.name)
    if holder is not None and not from_holder:
        return ()
    lost = () if holder is None else (await _set_holding(connection, holder, holds_name=False),)
    return (*lost, await _set_holding(connection, domain, holds_name=True))


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


async def _begin(connection: Connection, name: Name, requested_at: datetime) -> tuple[datetime, datetime]:
    """Lock *name*; return *requested_at*, or now if the publisher's clock is ahead, and now.

    A request from the future would outdo all that come after it. The clock is read under the lock, so that two such
    requests keep the order in which they came.
    """
    now = await _lock_name(connection, name)
    return min(requested_at, now), now


async def _lock_name(connection: Connection, name: Name) -> datetime:
    """Let nobody else register, change, delete or transfer *name* until the transaction ends; return the time."""
    digest = hashlib.sha256(b"registry.domains/" + name.encode()).digest()
    now: datetime = await connection.fetchval(
        "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock($1)) SELECT clock_timestamp() FROM locked",
        int.from_bytes(digest[:8], signed=True),
    )
    return now


async def _require_fit(connection: Connection, tenant: str, name: Name, certificate_id: CertificateId | None) -> None:
    if certificate_id is None:
        return
    names = await connection.fetchval(
        "SELECT names FROM registry.certificates WHERE id = $1 AND tenant = $2", certificate_id, tenant
    )
    if names is None:
        raise UnfitCertificateError(f"there is no certificate {certificate_id!r} of this tenant to attach to {name}")
    if not covers(names, name):
        raise UnfitCertificateError(f"the certificate {certificate_id} is for {', '.join(names)}, not for {name}")


async def _insert(
    connection: Connection,
    *,
    tenant: str,
    name: Name,
    holds_name: bool,
    requested_at: datetime,
    configuration: Configuration = Configuration(),  # noqa: B008 - frozen
    deleted_at: datetime | None = None,
) -> Domain:
    domain_id = new_domain_id()
    row = await connection.fetchrow(
        _INSERT, domain_id, tenant, name, holds_name, requested_at, deleted_at, *_values(configuration)
    )
    assert row is not None  # an INSERT returns its row
    return domain_of(row)


async def _write(connection: Connection, before: Domain, after: Domain, outcome: Outcome) -> Applied:
    """Write *after* over *before* if they differ; that a newer request came is remembered, but is no change."""
    if after == before:
        return Applied(outcome=Outcome.UNCHANGED, domain=before)
    row = await connection.fetchrow(
        _UPDATE, after.id, after.holds_name, after.requested_at, after.deleted_at, *_values(after.configuration)
    )
    assert row is not None  # it is locked
    is_change = after != replace(before, requested_at=after.requested_at)
    return Applied(outcome=outcome if is_change else Outcome.UNCHANGED, domain=domain_of(row))


async def _set_holding(connection: Connection, domain: Domain, *, holds_name: bool) -> Domain:
    row = await connection.fetchrow(
        f"UPDATE registry.domains SET holds_name = $2 WHERE id = $1 RETURNING {COLUMNS}",  # noqa: S608 - constants only
        domain.id,
        holds_name,
    )
    assert row is not None  # rows are never deleted
    return domain_of(row)


def _values(configuration: Configuration) -> tuple[object, ...]:
    """Return upstream, policy, terminate_tls, attached_certificate_id, description and metadata as they are stored."""
    policy, terminate_tls = configuration.policy, configuration.terminate_tls
    return (
        configuration.upstream,
        None if policy is None else policy.model_dump(mode="json"),
        None if terminate_tls is None else terminate_tls.model_dump(mode="json"),
        configuration.attached_certificate_id,
        configuration.description,
        configuration.metadata,
    )
