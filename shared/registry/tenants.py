"""Rules for single tenants, which win over the settings for all tenants."""

from dataclasses import dataclass
from datetime import datetime

from shared.store.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRule:
    """The rule for one tenant; the unnamed tenant is `''`."""

    tenant: str
    uploads_allowed: bool
    updated_at: datetime


async def uploads_allowed(connection: Connection, tenant: str, *, default: bool) -> bool:
    """Say whether *tenant* may upload certificates; *default* holds for a tenant without a rule."""
    decided: bool | None = await connection.fetchval(
        "SELECT uploads_allowed FROM registry.tenants WHERE tenant = $1", tenant
    )
    return default if decided is None else decided


async def set_uploads_allowed(connection: Connection, tenant: str, *, allowed: bool) -> None:
    """Allow or forbid *tenant* to upload certificates from now on; its stored ones stay and are served."""
    await connection.execute(
        "INSERT INTO registry.tenants (tenant, uploads_allowed) VALUES ($1, $2) "
        "ON CONFLICT (tenant) DO UPDATE SET uploads_allowed = excluded.uploads_allowed, updated_at = now()",
        tenant,
        allowed,
    )


async def forget(connection: Connection, tenant: str) -> bool:
    """Delete the rule for *tenant*, so that the settings decide again; say whether there was one."""
    found: bool | None = await connection.fetchval(
        "DELETE FROM registry.tenants WHERE tenant = $1 RETURNING true", tenant
    )
    return found is not None


async def rules(connection: Connection) -> tuple[TenantRule, ...]:
    """Return all rules, ordered by tenant."""
    rows = await connection.fetch("SELECT tenant, uploads_allowed, updated_at FROM registry.tenants ORDER BY tenant")
    return tuple(TenantRule(**row) for row in rows)
