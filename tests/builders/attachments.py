"""Requests that attach and detach, one transaction each, dated by minutes of one day."""

from datetime import UTC, datetime, timedelta
from typing import Final

from shared.events import TerminateTls
from shared.identifiers import CertificateId
from shared.names import Name
from shared.registry import certificates, domains
from shared.registry.domains import Attached, Configuration
from shared.store import Connection, Pool
from tests.builders import stored_rows

NAME: Final = Name("shop.example.com")
_EARLY: Final = datetime(2026, 1, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    """Return the time *minute* minutes into that day."""
    return _EARLY + timedelta(minutes=minute)


async def uploaded(owner: Connection, *names: str, tenant: str = "") -> CertificateId:
    """Store an uploaded certificate for *names*, and return its id."""
    return await stored_rows.store(owner, stored_rows.make(*names, tenant=tenant), tenant=tenant, source="uploaded")


async def register(
    pool: Pool,
    minute: int = 0,
    *,
    tenant: str = "",
    name: Name = NAME,
    certificate_id: CertificateId | None = None,
    terminate_tls: TerminateTls | None = None,
    detaches: bool = False,
) -> domains.Applied:
    """Register *name*."""
    async with pool.transaction() as connection:
        return await domains.register(
            connection,
            tenant=tenant,
            name=name,
            requested_at=at(minute),
            configuration=Configuration(attached_certificate_id=certificate_id, terminate_tls=terminate_tls),
            detaches=detaches,
        )


async def delete(pool: Pool, minute: int, *, tenant: str = "", name: Name = NAME) -> domains.Applied:
    """Delete *name*."""
    async with pool.transaction() as connection:
        return await domains.delete(connection, tenant=tenant, name=name, requested_at=at(minute))


async def update(pool: Pool, minute: int, certificate_id: CertificateId | None) -> domains.Applied | None:
    """Attach the certificate to `NAME`, or detach the attached one."""
    async with pool.transaction() as connection:
        return await domains.update(
            connection, tenant="", name=NAME, requested_at=at(minute), attached_certificate_id=certificate_id
        )


async def attach(
    validator: Pool, certificate_id: CertificateId, minute: int, *, tenant: str = "", name: Name = NAME
) -> Attached:
    """Attach the certificate as an upload does."""
    async with validator.transaction() as connection:
        return await domains.attach(
            connection, tenant=tenant, name=name, certificate_id=certificate_id, requested_at=at(minute)
        )


async def attach_to(validator: Pool, names: list[Name], certificate_id: CertificateId, minute: int) -> None:
    """Attach the certificate to all *names* as an upload does."""
    async with validator.transaction() as connection:
        await domains.attach_to_all(
            connection, tenant="", names=names, certificate_id=certificate_id, requested_at=at(minute)
        )


async def forget(validator: Pool, certificate_id: CertificateId, *, tenant: str = "") -> tuple[Name, ...] | None:
    """Delete the certificate; return the domains that use it."""
    async with validator.transaction() as connection:
        return await certificates.delete_uploaded(connection, certificate_id, tenant=tenant)


async def attached_to(pool: Pool, *, tenant: str = "") -> CertificateId | None:
    """Return the certificate that is attached to `NAME`."""
    async with pool.acquire() as connection:
        domain = await domains.find(connection, tenant=tenant, name=NAME)
    assert domain is not None
    return domain.configuration.attached_certificate_id


async def awaited(owner: Connection, *, tenant: str = "") -> list[CertificateId]:
    """Return the awaited attachments."""
    rows = await owner.fetch("SELECT certificate_id FROM registry.awaited_attachments WHERE tenant = $1", tenant)
    return [row["certificate_id"] for row in rows]
