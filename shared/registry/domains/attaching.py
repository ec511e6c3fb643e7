"""Attaches a customer's own certificate to a domain, or detaches it: the newest request decides, whatever its type.

Three requests can attach or detach: to register a domain, to change it, and an upload that names the domain. They may
arrive in any order, so the time of the newest is kept in `attachment_requested_at`, separately from the domain's
`requested_at`: an upload attaches even if the domain was registered, or moved to another upstream, after the upload was
sent. An upload may also arrive before its domain is registered: then the attachment is stored as *awaited*, and
`register` applies it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.certificates import covers
from shared.identifiers import CertificateId
from shared.names import Name
from shared.registry.domains.locking import begin, lock_name
from shared.registry.domains.model import Attached, Domain, Effect, UnfitCertificateError
from shared.registry.domains.rows import COLUMNS, domain_of, find_locked
from shared.sentences import some_of
from shared.store.connection import Connection

_MAX_SHOWN: Final = 20  # names of a certificate in one message; there may be hundreds


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """The attachment that a request asks for."""

    certificate_id: CertificateId | None  # None: no certificate
    requested_at: datetime | None  # None: no request ever asked


_ATTACH: Final = (
    "UPDATE registry.domains SET attached_certificate_id = $2, attachment_requested_at = $3 "  # noqa: S608 - constants
    f"WHERE id = $1 RETURNING {COLUMNS}"
)
NO_REQUEST: Final = Attachment(certificate_id=None, requested_at=None)


def standing(domain: Domain) -> Attachment:
    """Return the domain's newest attachment; for a tombstone, none since its deletion."""
    certificate_id, requested_at = domain.configuration.attached_certificate_id, domain.attachment_requested_at
    if requested_at is None and (domain.is_deleted or certificate_id is not None):
        requested_at = domain.requested_at  # an earlier release wrote the row
    return Attachment(certificate_id=certificate_id, requested_at=requested_at)


def newest(*attachments: Attachment) -> Attachment:
    """Return the newest of *attachments*; of two with the same time, the later argument."""
    best = NO_REQUEST
    for attachment in attachments:
        if attachment.requested_at is None:
            continue
        if best.requested_at is None or attachment.requested_at >= best.requested_at:
            best = attachment
    return best


async def attach(
    connection: Connection, *, tenant: str, name: Name, certificate_id: CertificateId, requested_at: datetime
) -> Attached:
    """Attach the certificate to the tenant's domain; if *name* is not registered yet, when it is.

    Idempotent by state. The effect is STALE, and nothing changes, if a newer request deleted the domain, or attached or
    detached a certificate. To attach to several names in one transaction, use `attach_to_all`.

    Raises:
        UnfitCertificateError: the tenant uploaded no such certificate, or it does not cover the name.
    """
    requested_at, _ = await begin(connection, name, requested_at)
    domain = await find_locked(connection, tenant=tenant, name=name)
    there = NO_REQUEST if domain is None else standing(domain)
    if there.requested_at is not None and requested_at < there.requested_at:
        return Attached(effect=Effect.STALE, domain=domain)
    await require_fit(connection, tenant=tenant, name=name, certificate_id=certificate_id)
    if domain is None or domain.is_deleted:
        is_awaited = await await_registration(
            connection, tenant=tenant, name=name, certificate_id=certificate_id, requested_at=requested_at
        )
        return Attached(effect=Effect.AWAITED if is_awaited else Effect.STALE, domain=domain)
    if there == Attachment(certificate_id=certificate_id, requested_at=requested_at):
        return Attached(effect=Effect.UNCHANGED, domain=domain)
    row = await connection.fetchrow(_ATTACH, domain.id, certificate_id, requested_at)
    assert row is not None  # it is locked
    is_change = domain.configuration.attached_certificate_id != certificate_id
    return Attached(effect=Effect.CHANGED if is_change else Effect.UNCHANGED, domain=domain_of(row))


async def attach_to_all(
    connection: Connection,
    *,
    tenant: str,
    names: Collection[Name],
    certificate_id: CertificateId,
    requested_at: datetime,
) -> tuple[Attached, ...]:
    """Attach the certificate to each of *names* as `attach` does, in the order of their text; return all effects.

    All names are locked in that order before any row, so that two transactions for the same names cannot deadlock.

    Raises:
        UnfitCertificateError: as from `attach`, for the first name that the certificate does not cover.
    """
    ordered = sorted(set(names))
    for name in ordered:
        await lock_name(connection, name)
    return tuple(
        [
            await attach(connection, tenant=tenant, name=name, certificate_id=certificate_id, requested_at=requested_at)
            for name in ordered
        ]
    )


async def require_fit(connection: Connection, *, tenant: str, name: Name, certificate_id: CertificateId) -> None:
    """Check that the certificate may be served for *name*, and lock it against deletion until the transaction ends.

    Raises:
        UnfitCertificateError: the tenant uploaded no such certificate, or it does not cover the name.
    """
    row = await connection.fetchrow(
        "SELECT source, names FROM registry.hold_certificate($1, $2)", certificate_id, tenant
    )
    if row is None:
        raise UnfitCertificateError(
            f"there is no certificate {certificate_id!r} of this tenant to serve for {name}; upload it first"
        )
    if row["source"] != "uploaded":
        raise UnfitCertificateError(
            f"the certificate {certificate_id} is automatic, and is replaced when it is renewed; only an uploaded "
            f"certificate can be attached to {name}, or named in its terminate_tls"
        )
    if not covers(row["names"], name):
        names = some_of(row["names"], most=_MAX_SHOWN, none="no name")
        raise UnfitCertificateError(
            f"the certificate {certificate_id} is for {names}, not for {name}; choose one that covers this name"
        )


async def await_registration(
    connection: Connection, *, tenant: str, name: Name, certificate_id: CertificateId, requested_at: datetime
) -> bool:
    """Store the attachment until *name* is registered, unless a newer one is stored; say whether it was stored.

    The caller has locked the name, then the certificate's row; a deletion of the certificate locks its row first, too.
    """
    known = await _awaited(connection, tenant=tenant, name=name)
    if known.requested_at is not None and requested_at < known.requested_at:
        return False
    await delete_awaited(connection, tenant=tenant, name=name)
    await connection.execute(
        "INSERT INTO registry.awaited_attachments (tenant, name, certificate_id, requested_at) VALUES ($1, $2, $3, $4)",
        tenant,
        name,
        certificate_id,
        requested_at,
    )
    return True


async def take_awaited(connection: Connection, *, tenant: str, name: Name) -> Attachment:
    """Return and delete the awaited attachment of *name*. The caller has locked the name."""
    awaited = await _awaited(connection, tenant=tenant, name=name)
    if awaited.certificate_id is None:
        return NO_REQUEST
    held = await connection.fetchval(
        "SELECT names FROM registry.hold_certificate($1, $2)", awaited.certificate_id, tenant
    )
    await delete_awaited(connection, tenant=tenant, name=name)
    return NO_REQUEST if held is None else awaited


async def delete_awaited(connection: Connection, *, tenant: str, name: Name, until: datetime | None = None) -> None:
    """Delete the awaited attachment of *name*; with *until*, only if it was requested no later."""
    await connection.execute(
        "DELETE FROM registry.awaited_attachments "
        "WHERE tenant = $1 AND name = $2 AND ($3::timestamptz IS NULL OR requested_at <= $3)",
        tenant,
        name,
        until,
    )


async def _awaited(connection: Connection, *, tenant: str, name: Name) -> Attachment:
    row = await connection.fetchrow(
        "SELECT certificate_id, requested_at FROM registry.awaited_attachments WHERE tenant = $1 AND name = $2",
        tenant,
        name,
    )
    if row is None:
        return NO_REQUEST
    return Attachment(certificate_id=row["certificate_id"], requested_at=row["requested_at"])
