"""Writes whole rows of domains. The caller has locked the name, and the row if it exists."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from shared.identifiers import new_domain_id
from shared.names import Name
from shared.registry.domains.model import Applied, Configuration, Domain, Effect
from shared.registry.domains.rows import COLUMNS, domain_of
from shared.store.connection import Connection

_INSERT: Final = (
    "INSERT INTO registry.domains (id, tenant, name, holds_name, requested_at, deleted_at, upstream, policy, "  # noqa: S608
    "terminate_tls, attached_certificate_id, attachment_requested_at, description, metadata) "
    f"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING {COLUMNS}"
)
_UPDATE: Final = (
    "UPDATE registry.domains SET holds_name = $2, requested_at = $3, deleted_at = $4, upstream = $5, policy = $6, "  # noqa: S608
    "terminate_tls = $7, attached_certificate_id = $8, attachment_requested_at = $9, description = $10, metadata = $11 "
    f"WHERE id = $1 RETURNING {COLUMNS}"
)


async def insert(
    connection: Connection,
    *,
    tenant: str,
    name: Name,
    holds_name: bool,
    requested_at: datetime,
    attachment_requested_at: datetime | None,
    configuration: Configuration = Configuration(),  # noqa: B008 - frozen
    deleted_at: datetime | None = None,
) -> Domain:
    """Insert a new domain's row, and return the domain."""
    domain_id = new_domain_id()
    row = await connection.fetchrow(
        _INSERT,
        domain_id,
        tenant,
        name,
        holds_name,
        requested_at,
        deleted_at,
        *_values(configuration, attachment_requested_at),
    )
    assert row is not None  # an INSERT returns its row
    return domain_of(row)


async def write(connection: Connection, before: Domain, after: Domain, effect: Effect) -> Applied:
    """Replace *before* by *after* if they differ; if only the time of the request does, the effect is UNCHANGED."""
    if after == before:
        return Applied(effect=Effect.UNCHANGED, domain=before)
    row = await connection.fetchrow(
        _UPDATE,
        after.id,
        after.holds_name,
        after.requested_at,
        after.deleted_at,
        *_values(after.configuration, after.attachment_requested_at),
    )
    assert row is not None  # it is locked
    is_change = after != replace(
        before, requested_at=after.requested_at, attachment_requested_at=after.attachment_requested_at
    )
    return Applied(effect=effect if is_change else Effect.UNCHANGED, domain=domain_of(row))


async def set_holding(connection: Connection, domain: Domain, *, holds_name: bool) -> Domain:
    """Let *domain* hold its name, or not; return the domain after that."""
    row = await connection.fetchrow(
        f"UPDATE registry.domains SET holds_name = $2 WHERE id = $1 RETURNING {COLUMNS}",  # noqa: S608 - constants only
        domain.id,
        holds_name,
    )
    assert row is not None  # rows are never deleted
    return domain_of(row)


def _values(configuration: Configuration, attachment_requested_at: datetime | None) -> tuple[object, ...]:
    """Return the configuration's values in the order of the columns in `_INSERT` and `_UPDATE`."""
    policy, terminate_tls = configuration.policy, configuration.terminate_tls
    return (
        configuration.upstream,
        None if policy is None else policy.model_dump(mode="json"),
        None if terminate_tls is None else terminate_tls.model_dump(mode="json"),
        configuration.attached_certificate_id,
        attachment_requested_at,
        configuration.description,
        configuration.metadata,
    )
