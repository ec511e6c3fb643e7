"""Reads domains' rows."""

from typing import Final

from shared.events import CertificateManagementPolicy, TerminateTls
from shared.identifiers import DomainId
from shared.names import Name
from shared.registry.domains.model import Configuration, Domain, UnknownDomainError
from shared.store.connection import Connection, Row

COLUMNS: Final = (
    "id, tenant, name, holds_name, upstream, policy, terminate_tls, automatic_certificate_id, "
    "attached_certificate_id, attachment_requested_at, description, metadata, requested_at, version, created_at, "
    "updated_at, deleted_at"
)
_SELECT: Final = f"SELECT {COLUMNS} FROM registry.domains "  # noqa: S608 - constants only
_LOCKED: Final = " FOR NO KEY UPDATE"  # allows other transactions to insert orders that refer to the row


async def get(connection: Connection, domain_id: DomainId) -> Domain:
    """Return the domain with this id, deleted or not.

    Raises:
        UnknownDomainError: no domain has this id.
    """
    row = await connection.fetchrow(_SELECT + "WHERE id = $1", domain_id)
    if row is None:
        raise UnknownDomainError(domain_id)
    return domain_of(row)


async def lock(connection: Connection, domain_id: DomainId) -> Domain:
    """Return the domain with this id, and lock its row for writing until the transaction ends.

    Raises:
        UnknownDomainError: no domain has this id.
    """
    row = await connection.fetchrow(_SELECT + "WHERE id = $1" + _LOCKED, domain_id)
    if row is None:
        raise UnknownDomainError(domain_id)
    return domain_of(row)


async def find(connection: Connection, *, tenant: str, name: Name) -> Domain | None:
    """Return the tenant's domain of this *name*, deleted or not."""
    row = await connection.fetchrow(_SELECT + "WHERE tenant = $1 AND name = $2", tenant, name)
    return None if row is None else domain_of(row)


async def find_locked(connection: Connection, *, tenant: str, name: Name) -> Domain | None:
    """Return the same as `find`, and lock the row for writing until the transaction ends."""
    row = await connection.fetchrow(_SELECT + "WHERE tenant = $1 AND name = $2" + _LOCKED, tenant, name)
    return None if row is None else domain_of(row)


async def holder_of(connection: Connection, name: Name) -> Domain | None:
    """Return the domain that holds *name*."""
    row = await connection.fetchrow(_SELECT + "WHERE name = $1 AND holds_name AND deleted_at IS NULL", name)
    return None if row is None else domain_of(row)


async def claims_on(connection: Connection, name: Name) -> tuple[Domain, ...]:
    """Return all tenants' domains with this *name* that are not deleted, the first registered first."""
    rows = await connection.fetch(_SELECT + "WHERE name = $1 AND deleted_at IS NULL ORDER BY created_at, id", name)
    return tuple(domain_of(row) for row in rows)


def domain_of(row: Row) -> Domain:
    """Return the domain in *row*, which has all `COLUMNS`; unknown fields, of a newer release, are ignored."""
    policy, terminate_tls = row["policy"], row["terminate_tls"]
    configuration = Configuration(
        upstream=row["upstream"],
        policy=None if policy is None else CertificateManagementPolicy.model_validate(policy, extra="ignore"),
        terminate_tls=None if terminate_tls is None else TerminateTls.model_validate(terminate_tls, extra="ignore"),
        attached_certificate_id=row["attached_certificate_id"],
        description=row["description"],
        metadata=row["metadata"],
    )
    return Domain(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        holds_name=row["holds_name"],
        configuration=configuration,
        automatic_certificate_id=row["automatic_certificate_id"],
        requested_at=row["requested_at"],
        attachment_requested_at=row["attachment_requested_at"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
    )
