"""What the platform lets a tenant do, where that is another thing than the settings say for all."""

from dataclasses import dataclass
from datetime import datetime

from shared.store.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRule:
    """What was decided for one tenant; the tenant without a name is `''`."""

    tenant: str
    uploads_allowed: bool
    updated_at: datetime


async def uploads_allowed(connection: Connection, tenant: str, *, default: bool) -> bool:
    """Say whether *tenant* may upload certificates; *default* is what holds where nothing was decided for it."""
    decided: bool | None = await connection.fetchval(
        "SELECT uploads_allowed FROM registry.tenants WHERE tenant = $1", tenant
    )
    return default if decided is None else decided


async def set_uploads_allowed(connection: Connection, tenant: str, *, allowed: bool) -> None:
    """Let *tenant* upload certificates from now on, or not; what it uploaded before stays and is served."""
    await connection.execute(
        "INSERT INTO registry.tenants (tenant, uploads_allowed) VALUES ($1, $2) "
        "ON CONFLICT (tenant) DO UPDATE SET uploads_allowed = excluded.uploads_allowed, updated_at = now()",
        tenant,
        allowed,
    )


async def forget(connection: Connection, tenant: str) -> bool:
    """Let *tenant* do what the settings say from now on; say whether something else had been decided for it."""
    found: bool | None = await connection.fetchval(
        "DELETE FROM registry.tenants WHERE tenant = $1 RETURNING true", tenant
    )
    return found is not None


async def rules(connection: Connection) -> tuple[TenantRule, ...]:
    """Return what was decided, by tenant."""
    rows = await connection.fetch("SELECT tenant, uploads_allowed, updated_at FROM registry.tenants ORDER BY tenant")
    return tuple(TenantRule(**row) for row in rows)
