"""Which certificate of their own the customers want shown for a name: the newest request decides, however it came.

A certificate is attached, or detached (attached is none), by the request to register a domain, by one to change it, and
by an upload that names the domain. There is no order between these events, so each is kept with its time in
`attachment_requested_at`, apart from the domain's own `requested_at`: an upload attaches though the domain was
registered, or moved to another upstream, after it was sent. An upload may even come before the registration of its
domain: it is remembered as *awaited*, and `register` finds it.
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

_MAX_SHOWN: Final = 20  # names of a certificate in one sentence; there may be hundreds


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What a request wants to be attached."""

    certificate_id: CertificateId | None  # None: nothing
    requested_at: datetime | None  # None: nobody ever asked


_ATTACH: Final = (
    "UPDATE registry.domains SET attached_certificate_id = $2, attachment_requested_at = $3 "  # noqa: S608 - constants
    f"WHERE id = $1 RETURNING {COLUMNS}"
)
NOTHING_SAID: Final = Attachment(certificate_id=None, requested_at=None)


def standing(domain: Domain) -> Attachment:
    """Return what was asked for last; of a tombstone, nothing, at the time of its deletion."""
    certificate_id, requested_at = domain.configuration.attached_certificate_id, domain.attachment_requested_at
    if requested_at is None and (domain.is_deleted or certificate_id is not None):
        requested_at = domain.requested_at  # an earlier release wrote the row
    return Attachment(certificate_id=certificate_id, requested_at=requested_at)


def newest(*attachments: Attachment) -> Attachment:
    """Return what was asked for last; of two at the same instant the later argument."""
    best = NOTHING_SAID
    for attachment in attachments:
        if attachment.requested_at is None:
            continue
        if best.requested_at is None or attachment.requested_at >= best.requested_at:
            best = attachment
    return best


async def attach(
    connection: Connection, *, tenant: str, name: Name, certificate_id: CertificateId, requested_at: datetime
) -> Attached:
    """Attach the certificate to the tenant's domain, or as soon as *name* is registered, if that is not yet so.

    Idempotent by state. STALE, and nothing changes, when the domain was deleted, or another certificate attached or
    detached, at the wish of a newer request. Attaching to several names in one transaction is for `attach_to_all`.

    Raises:
        UnfitCertificateError: it is none that the tenant uploaded, or is for other names; both are listed.
    """
    requested_at, _ = await begin(connection, name, requested_at)
    domain = await find_locked(connection, tenant=tenant, name=name)
    there = NOTHING_SAID if domain is None else standing(domain)
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
    """Do what `attach` does for each of *names*, in the order of their text; return what it did for each.

    All names are locked before any row, in one order: of two transactions that attach to the same names, the second
    waits for the first, and neither for ever.

    Raises:
        UnfitCertificateError: as `attach` does, for the first name that the certificate does not fit.
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
    """Let nobody delete the certificate until the transaction ends, and see that it may be shown for *name*.

    Raises:
        UnfitCertificateError: it is none that the tenant uploaded, or is for other names; both are listed.
    """
    row = await connection.fetchrow(
        "SELECT source, names FROM registry.hold_certificate($1, $2)", certificate_id, tenant
    )
    if row is None:
        raise UnfitCertificateError(
            f"there is no certificate {certificate_id!r} of this tenant to show for {name}; upload it first"
        )
    if row["source"] != "uploaded":
        raise UnfitCertificateError(
            f"the certificate {certificate_id} is an automatic one, which is replaced when it is renewed; only an "
            f"uploaded certificate can be attached to {name}, or named in its terminate_tls"
        )
    if not covers(row["names"], name):
        names = some_of(row["names"], most=_MAX_SHOWN, none="no name")
        raise UnfitCertificateError(
            f"the certificate {certificate_id} is for {names}, not for {name}; give one that has this name"
        )


async def await_registration(
    connection: Connection, *, tenant: str, name: Name, certificate_id: CertificateId, requested_at: datetime
) -> bool:
    """Remember the attachment until *name* is registered, if none newer is; say whether. The name is locked.

    The certificate is held: whoever deletes it takes its row before those that name it, and so does everybody here.
    """
    known = await _awaited(connection, tenant=tenant, name=name)
    if known.requested_at is not None and requested_at < known.requested_at:
        return False
    await forget_awaited(connection, tenant=tenant, name=name)
    await connection.execute(
        "INSERT INTO registry.awaited_attachments (tenant, name, certificate_id, requested_at) VALUES ($1, $2, $3, $4)",
        tenant,
        name,
        certificate_id,
        requested_at,
    )
    return True


async def take_awaited(connection: Connection, *, tenant: str, name: Name) -> Attachment:
    """Return, and forget, what is to be attached as soon as *name* is registered. The name is locked."""
    awaited = await _awaited(connection, tenant=tenant, name=name)
    if awaited.certificate_id is None:
        return NOTHING_SAID
    held = await connection.fetchval(
        "SELECT names FROM registry.hold_certificate($1, $2)", awaited.certificate_id, tenant
    )
    await forget_awaited(connection, tenant=tenant, name=name)
    return NOTHING_SAID if held is None else awaited


async def forget_awaited(connection: Connection, *, tenant: str, name: Name, until: datetime | None = None) -> None:
    """Forget what is awaited for *name*; with *until*, unless it was asked for after that."""
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
        return NOTHING_SAID
    return Attachment(certificate_id=row["certificate_id"], requested_at=row["requested_at"])
