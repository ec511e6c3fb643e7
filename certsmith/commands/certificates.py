"""`certsmith attach`, `certsmith detach` and `certsmith certificates`: customers' own certificates, and all others."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from certsmith.commands.options import EveryTenant, Json, Tenant, Timeout

if TYPE_CHECKING:
    from pydantic import JsonValue

WAIT_SECONDS: Final = 60.0

Host = Annotated[str, typer.Argument(metavar="HOST", help="The domain; it is registered.")]
CertificateId = Annotated[str, typer.Argument(metavar="CERT_ID", help="As `certificates list` shows it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the outcome, or only publish; reads the store.")]


class Source(StrEnum):
    """How a certificate came."""

    AUTOMATIC = "automatic"
    UPLOADED = "uploaded"


def attach(
    host: Host,
    certificate_id: CertificateId,
    *,
    tenant: Tenant = "",
    wait: Wait = True,
    timeout: Timeout = WAIT_SECONDS,
    as_json: Json = False,
) -> int:
    """Serve a domain with an uploaded certificate; for as long as it is valid it beats the automatic one.

    Exit code 3: refused; the certificate is not the tenant's, or not for this name. It publishes `domain.updated`.

    Example:  certsmith attach shop.example.com cert_4k2v
    """
    data = _data(tenant, domain=host, attached_certificate_id=certificate_id)
    return _publish("domain.updated", data, wait_seconds=timeout if wait else None, as_json=as_json)


def detach(
    host: Host, *, tenant: Tenant = "", wait: Wait = True, timeout: Timeout = WAIT_SECONDS, as_json: Json = False
) -> int:
    """Serve a domain with its automatic certificate again; one is ordered if there is none, and a policy asks for it.

    The uploaded certificate stays stored. It publishes `domain.updated`.

    Example:  certsmith detach shop.example.com
    """
    data = _data(tenant, domain=host, attached_certificate_id=None)
    return _publish("domain.updated", data, wait_seconds=timeout if wait else None, as_json=as_json)


def list_certificates(
    *,
    tenant: EveryTenant = None,
    source: Annotated[Source | None, typer.Option(help="Only these.", show_default=False)] = None,
    unused: Annotated[bool, typer.Option("--unused", help="Only those that no domain has.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    after: Annotated[
        str | None, typer.Option(metavar="CERT_ID", help="Only those after this one.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> int:
    """List stored certificates, what lasts longest first: whose, until when, publicly trusted or not, who has them.

    Example:  certsmith certificates list --source uploaded
    """
    from certsmith.actions.certificates import CertificateFilter, list_certificates
    from certsmith.terminal import Terminal

    wanted = CertificateFilter(
        tenant=tenant, source=None if source is None else str(source), only_unused=unused, limit=limit, after=after
    )
    return list_certificates(wanted, Terminal(as_json=as_json))


def show(certificate_id: CertificateId, *, as_json: Json = False) -> int:
    """Show one stored certificate with all domains that have it.

    Example:  certsmith certificates show cert_4k2v
    """
    from certsmith.actions.certificates import show_certificate
    from certsmith.terminal import Terminal

    return show_certificate(certificate_id, Terminal(as_json=as_json))


def delete(
    certificate_id: CertificateId,
    *,
    tenant: Tenant = "",
    wait: Wait = True,
    timeout: Timeout = WAIT_SECONDS,
    as_json: Json = False,
) -> int:
    """Forget an uploaded certificate and erase its key; refused while domains use it, with the list of them.

    Exit code 3: refused. It publishes `certificate.deletion_requested`.

    Example:  certsmith certificates delete cert_4k2v
    """
    data = _data(tenant, certificate_id=certificate_id)
    kind = "certificate.deletion_requested"
    return _publish(kind, data, wait_seconds=timeout if wait else None, as_json=as_json)


def _publish(request_type: str, data: "dict[str, JsonValue]", *, wait_seconds: float | None, as_json: bool) -> int:
    from certsmith.publishing.publish import publish
    from certsmith.publishing.requests import request_event
    from certsmith.terminal import Terminal

    return publish(request_event(request_type, data), Terminal(as_json=as_json), wait_seconds=wait_seconds)


def _data(tenant: str, **fields: "JsonValue") -> "dict[str, JsonValue]":
    return {**fields, "tenant": tenant} if tenant else fields
