"""`certsmith certificates`: stored certificates, and the domains that use them."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from certsmith.database import operator_connection
from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.settings import OperatorSettings
from certsmith.terminal import Terminal, facts, printable, table
from shared.registry.views import certificates
from shared.registry.views.model import StoredCertificate, UseView, common_name
from shared.sentences import some_of
from shared.settings import load

_SHOWN: Final = 3  # names, and domains, in one line of the table
_SOON: Final = timedelta(days=30)  # the first warning by certificate.expiring
_HEADINGS: Final = ("certificate", "tenant", "source", "until", "trusted", "for", "used by")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFilter:
    """The options of `certificates list`."""

    tenant: str | None
    source: str | None
    only_unused: bool
    limit: int
    after: str | None


def list_certificates(wanted: CertificateFilter, terminal: Terminal) -> ExitCode:
    """Show the *wanted* certificates."""
    now = datetime.now(UTC)
    found, has_more = asyncio.run(_found(wanted))
    terminal.show(
        {"certificates": [asdict(each) for each in found], "has_more": has_more},
        table(*_HEADINGS, rows=(_row(each, now) for each in found)) if found else "no certificate matches",
    )
    if has_more:
        terminal.say(Text(f"there are more: use --after {found[-1].id} or a larger --limit", "dim"))
    return ExitCode.DONE


def show_certificate(certificate_id: str, terminal: Terminal) -> ExitCode:
    """Show the certificate with all domains that use it."""
    found = asyncio.run(_named(certificate_id))
    if found is None:
        text = f"there is no certificate {printable(certificate_id)}; see `certsmith certificates list`"
        raise CommandError(text, code="not_found", exit_code=ExitCode.NOT_FOUND)
    terminal.show(asdict(found), facts(_facts(found, datetime.now(UTC))))
    return ExitCode.DONE


async def _found(wanted: CertificateFilter) -> tuple[tuple[StoredCertificate, ...], bool]:
    """Return the *wanted* certificates, and whether there are more."""
    async with operator_connection(load(OperatorSettings).database_url.get_secret_value()) as connection:
        found = await certificates.page(
            connection,
            tenant=wanted.tenant,
            source=wanted.source,
            only_unused=wanted.only_unused,
            after=wanted.after,
            limit=wanted.limit + 1,
        )
    return found[: wanted.limit], len(found) > wanted.limit


async def _named(certificate_id: str) -> StoredCertificate | None:
    async with operator_connection(load(OperatorSettings).database_url.get_secret_value()) as connection:
        return await certificates.named(connection, certificate_id)


def _row(certificate: StoredCertificate, now: datetime) -> tuple[Text, ...]:
    return (
        Text(certificate.id, "bold"),
        Text(printable(certificate.tenant) or "-", "dim"),
        Text(certificate.source),
        Text(f"{certificate.not_after:%Y-%m-%d}", _style(certificate, now)),
        Text({True: "yes", False: "no", None: "-"}[certificate.publicly_trusted]),
        Text(some_of([printable(name) for name in certificate.names], most=_SHOWN, none="")),
        Text(some_of([_of_use(use) for use in certificate.uses], most=_SHOWN, none="-")),
    )


def _facts(certificate: StoredCertificate, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    yield "certificate", Text.assemble((certificate.id, "bold"), f"  {certificate.source}")
    if certificate.tenant:
        yield "tenant", printable(certificate.tenant)
    yield "for", printable(", ".join(certificate.names))
    yield "until", Text(f"{certificate.not_after:%Y-%m-%d %H:%M} UTC", _style(certificate, now))
    yield "since", f"{certificate.not_before:%Y-%m-%d %H:%M} UTC"
    if certificate.revoked_at is not None:
        yield "revoked", f"{certificate.revoked_at:%Y-%m-%d %H:%M} UTC"
    yield "issuer", printable(f"{common_name(certificate.issuer)} ({certificate.issuer})")
    yield "key", certificate.key_type
    if certificate.publicly_trusted is not None:
        known = "publicly: browsers trust its root"
        yield "trusted", known if certificate.publicly_trusted else "only by clients that trust its root"
    yield "serial number", certificate.serial_number
    yield "SHA-256", certificate.fingerprint
    if certificate.description:
        yield "description", printable(certificate.description)
    yield "stored", f"{certificate.created_at:%Y-%m-%d %H:%M:%S} UTC"
    for use in certificate.uses or ():
        yield "used by", _of_use(use)
    if not certificate.uses:
        yield "used by", "no domain"


def _style(certificate: StoredCertificate, now: datetime) -> str:
    if now > certificate.not_after or certificate.revoked_at is not None:
        return "red"
    return "yellow" if certificate.not_after - now < _SOON else ""


def _of_use(use: UseView) -> str:
    return f"{use.domain} ({use.by})"
