"""`certsmith domains` and `certsmith status`: the state of domains in the database."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from certsmith.database import operator_connection
from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.settings import OperatorSettings
from certsmith.terminal import Terminal, facts, table
from shared.errors import RefusedError
from shared.events import Standing
from shared.names import Name, NameRefusedError, normalize
from shared.registry.views import hosted
from shared.registry.views.model import CertificateView, DeploymentView, HostedDomain, OrderView
from shared.registry.views.standing import sentence_of, standing_of
from shared.settings import load

STYLES: Final = {Standing.SERVING: "green", Standing.PROGRESSING: "yellow", Standing.STUCK: "red"}
_EXIT_CODES: Final = {
    Standing.SERVING: ExitCode.DONE,
    Standing.PROGRESSING: ExitCode.NOT_YET,
    Standing.STUCK: ExitCode.REFUSED,
}
_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFilter:
    """The options of `certsmith domains`."""

    tenant: str | None
    only_stuck: bool
    limit: int
    after: str | None


def list_domains(wanted: DomainFilter, terminal: Terminal) -> ExitCode:
    """Show the *wanted* domains."""
    now = datetime.now(UTC)
    found, has_more = asyncio.run(_found(wanted, now))
    terminal.show(
        {"domains": [document_of(domain, now=now) for domain in found], "has_more": has_more},
        table("domain", "tenant", "is", "", rows=(_row(domain, now) for domain in found)) if found else _none(wanted),
    )
    if has_more:
        terminal.say(Text(f"there are more: use --after {found[-1].id} or a larger --limit", "dim"))
    return ExitCode.DONE


def show_status(host: str, *, tenant: str | None, terminal: Terminal) -> ExitCode:
    """Show every registration of *host*; the first is the served one and determines the exit code."""
    now, name = datetime.now(UTC), _name(host)
    found = asyncio.run(_named(name, tenant))
    living = [domain for domain in found if domain.deleted_at is None]
    if not living:
        deleted = f"; it was deleted at {found[0].deleted_at:%Y-%m-%d %H:%M} UTC" if found else ""
        text = f"{name} is not hosted here{deleted}; `certsmith publish domain-created {name}` registers it"
        raise CommandError(text, code="not_found", exit_code=ExitCode.NOT_FOUND)
    terminal.show(
        {"domain": name, "registrations": [document_of(domain, now=now) for domain in living]},
        *(facts(_facts(domain, now)) for domain in living),
    )
    return _EXIT_CODES[standing_of(living[0], now=now)]


def document_of(domain: HostedDomain, *, now: datetime) -> dict[str, object]:
    """Return *domain* as JSON: all fields of its view, its standing and the sentence."""
    return {"standing": standing_of(domain, now=now), "message": sentence_of(domain, now=now), **asdict(domain)}


async def _found(wanted: DomainFilter, now: datetime) -> tuple[list[HostedDomain], bool]:
    """Return the *wanted* domains, and whether there are more."""
    found: list[HostedDomain] = []
    after = wanted.after
    async with operator_connection(load(OperatorSettings).database_url.get_secret_value()) as connection:
        while page := await hosted.page(connection, tenant=wanted.tenant, after=after, limit=_PAGE):
            found += [each for each in page if not wanted.only_stuck or standing_of(each, now=now) is Standing.STUCK]
            if len(found) > wanted.limit:
                return found[: wanted.limit], True
            after = page[-1].id
    return found, False


async def _named(name: Name, tenant: str | None) -> tuple[HostedDomain, ...]:
    async with operator_connection(load(OperatorSettings).database_url.get_secret_value()) as connection:
        return await hosted.named(connection, name, tenant=tenant)


def _name(text: str) -> Name:
    try:
        return normalize(text)
    except NameRefusedError as error:
        raise RefusedError(error.reason) from error


def _none(wanted: DomainFilter) -> Text:
    if wanted.only_stuck:
        return Text("no domain is stuck")
    if wanted.tenant is not None or wanted.after is not None:
        return Text("no hosted domain matches; `certsmith domains` lists all")
    return Text(
        "no domain is hosted yet; register one with `certsmith publish domain-created HOST --upstream tcp://HOST:PORT`"
    )


def _row(domain: HostedDomain, now: datetime) -> tuple[Text, ...]:
    standing = standing_of(domain, now=now)
    return (
        Text(domain.name, "bold"),
        Text(domain.tenant or "-", "dim"),
        Text(standing, STYLES[standing]),
        Text(sentence_of(domain, now=now)),
    )


def _facts(domain: HostedDomain, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    standing = standing_of(domain, now=now)
    yield "domain", Text.assemble((domain.name, "bold"), f"  {domain.id}")
    if domain.tenant:
        yield "tenant", domain.tenant
    yield "is", Text.assemble((standing, STYLES[standing]), f": {sentence_of(domain, now=now)}")
    yield "upstream", domain.upstream or "none: nothing is forwarded"
    if domain.certificate is not None:
        yield "certificate", _of_certificate(domain.certificate)
    for other in domain.other_certificates:
        yield "not served now", _of_certificate(other)
    if domain.order is not None:
        yield "order", _of_order(domain.order)
    for deployment in domain.deployments:
        yield "deployed on", _of_deployment(deployment)
    yield "registered", f"{domain.created_at:%Y-%m-%d %H:%M:%S} UTC, version {domain.version}"


def _of_certificate(certificate: CertificateView) -> str:
    return (
        f"{certificate.id}, {certificate.chosen_by}, {certificate.key_type}, for {', '.join(certificate.names)}\n"
        f"by {certificate.issuer_name}, from {certificate.not_before:%Y-%m-%d %H:%M} "
        f"to {certificate.not_after:%Y-%m-%d %H:%M} UTC, serial number {certificate.serial_number}"
    )


def _of_order(order: OrderView) -> str:
    failed = f", {order.attempt} failed attempts" if order.attempt else ""
    return f"{order.id}, {order.reason} {order.created_at:%Y-%m-%d %H:%M:%S} UTC: {order.state}{failed}"


def _of_deployment(deployment: DeploymentView) -> str:
    return (
        f"{deployment.node}, {deployment.deployed_at:%Y-%m-%d %H:%M:%S} UTC, "
        f"{deployment.latency_seconds:.3f} s after it was ready, version {deployment.version}"
    )
