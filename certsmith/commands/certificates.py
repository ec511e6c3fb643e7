"""`certsmith attach`, `certsmith detach` and `certsmith certificates`: which certificate a domain serves."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from certsmith.commands.options import EveryTenant, Json, Tenant, Timeout

if TYPE_CHECKING:
    from pydantic import JsonValue

WAIT_SECONDS: Final = 60.0

Host = Annotated[str, typer.Argument(metavar="HOST", help="A registered domain.")]
CertificateId = Annotated[str, typer.Argument(metavar="CERT_ID", help="An id from `certificates list`.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result in the database, or only publish.")]


class Source(StrEnum):
    """The origin of a certificate."""

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
    """Serve a domain with an uploaded certificate; while that is valid, it is served instead of the automatic one.

    Publishes `domain.updated`. Exit code 3: refused, because the certificate belongs to another tenant or does not
    cover this name.

    Example:  certsmith attach shop.example.com cert_4k2v
    """
    data = _data(tenant, domain=host, attached_certificate_id=certificate_id)
    return _publish("domain.updated", data, wait_seconds=timeout if wait else None, as_json=as_json)


def detach(
    host: Host, *, tenant: Tenant = "", wait: Wait = True, timeout: Timeout = WAIT_SECONDS, as_json: Json = False
) -> int:
    """Serve a domain with its automatic certificate again; if it has none and its policy allows it, one is ordered.

    Publishes `domain.updated`. The uploaded certificate stays stored.

    Example:  certsmith detach shop.example.com
    """
    data = _data(tenant, domain=host, attached_certificate_id=None)
    return _publish("domain.updated", data, wait_seconds=timeout if wait else None, as_json=as_json)


def list_certificates(
    *,
    tenant: EveryTenant = None,
    source: Annotated[Source | None, typer.Option(help="Only those from this source.", show_default=False)] = None,
    unused: Annotated[bool, typer.Option("--unused", help="Only those that no domain uses.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many to list at most.")] = 100,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CERT_ID", help="Start after this one: the last id of the previous page.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """List stored certificates with tenant, expiry, public trust and domains that use them; the last to expire first.

    Example:  certsmith certificates list --source uploaded
    """
    from certsmith.actions.certificates import CertificateFilter, list_certificates
    from certsmith.terminal import Terminal

    wanted = CertificateFilter(
        tenant=tenant, source=None if source is None else str(source), only_unused=unused, limit=limit, after=after
    )
    return list_certificates(wanted, Terminal(as_json=as_json))


def show(certificate_id: CertificateId, *, as_json: Json = False) -> int:
    """Show one stored certificate with all domains that use it.

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
    """Delete an uploaded certificate and its key; refused while domains use it, with a list of them.

    Publishes `certificate.deletion_requested`. Exit code 3: refused.

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
