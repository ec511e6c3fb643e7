"""`certsmith publish`: the requests that a platform publishes."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from certsmith.commands.options import Json, Tenant

if TYPE_CHECKING:
    from pydantic import JsonValue

WAIT_SECONDS: Final = 300.0
HOURS: Final = 24.0
MAX_HOURS: Final = 168.0  # the validator refuses a sealed key with a longer life

Host = Annotated[
    str, typer.Argument(metavar="HOST", help="A host name, also international: shop.example.com, bücher.example.com.")
]
Upstream = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Where to forward decrypted traffic: tcp://10.0.0.7:8080.", show_default=False),
]
Attach = Annotated[
    str | None,
    typer.Option(
        metavar="CERT_ID", help="An uploaded certificate of the tenant, to be served instead.", show_default=False
    ),
]
Description = Annotated[str | None, typer.Option(help="A text for people.", show_default=False)]
Metadata = Annotated[str | None, typer.Option(help="A text for your programs.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the database shows it served, refused or failed.")]
Timeout = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long --wait waits at most.")]
EventId = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="The event's id; an event published twice with one id is handled once.", show_default=False
    ),
]
CorrelationId = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="Appears in all events and log lines that this request leads to.", show_default=False
    ),
]
# Of an upload:
Bundle = Annotated[
    Path, typer.Option(metavar="FILE", help="The certificates, PEM, the leaf first. `-`: standard input.")
]
Key = Annotated[
    Path, typer.Option(metavar="FILE", help="The leaf's private key, PEM, not encrypted. `-`: standard input.")
]
AttachTo = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST", help="A domain to serve it for; may be repeated.", show_default=False),
]
NewCertificateId = Annotated[
    str | None,
    typer.Option(
        "--id", metavar="CERT_ID", help="Its id; it must never have been used before.", show_default="a new one"
    ),
]
ExpiresIn = Annotated[
    float, typer.Option(min=0.1, max=MAX_HOURS, metavar="HOURS", help="How long the sealed key can be opened.")
]
Check = Annotated[bool, typer.Option(help="Judge it here first, and send nothing that would be rejected.")]
WaitForVerdict = Annotated[bool, typer.Option("--wait", help="Wait until the database shows the verdict.")]


class KeyType(StrEnum):
    """The key type of an automatic certificate."""

    ECDSA = "ecdsa"
    RSA = "rsa"


def domain_created(  # noqa: PLR0913 - one for each option
    host: Host,
    *,
    upstream: Upstream = None,
    tenant: Tenant = "",
    key_type: Annotated[KeyType, typer.Option(help="ECDSA P-256, or RSA 4096.")] = KeyType.ECDSA,
    profile: Annotated[str | None, typer.Option(help="The CA's certificate profile.", show_default=False)] = None,
    no_certificate: Annotated[
        bool, typer.Option("--no-certificate", help="Order no certificate; an uploaded one is used.")
    ] = False,
    attach: Attach = None,
    description: Description = None,
    metadata: Metadata = None,
    event_id: EventId = None,
    correlation_id: CorrelationId = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_SECONDS,
    as_json: Json = False,
) -> int:
    """Host a domain: obtain its certificate and serve it.

    Publishing it again changes what differs, and orders no second certificate.

    Example:  certsmith publish domain-created shop.example.com --upstream tcp://10.0.0.7:8080 --wait
    """
    data = _given(
        domain=host,
        tenant=tenant or None,
        upstream=upstream,
        attached_certificate_id=attach,
        description=description,
        metadata=metadata,
    )
    data["certificate_management_policy"] = (
        None if no_certificate else _given(private_key_type=str(key_type), profile=profile)
    )
    wait_seconds = timeout if wait else None
    return _publish("domain.created", data, event_id, correlation_id, wait_seconds=wait_seconds, as_json=as_json)


def domain_updated(  # noqa: PLR0913 - one for each option
    host: Host,
    *,
    tenant: Tenant = "",
    upstream: Upstream = None,
    no_upstream: Annotated[bool, typer.Option("--no-upstream", help="Stop forwarding.")] = False,
    key_type: Annotated[
        KeyType | None, typer.Option(help="Order a certificate of this type.", show_default=False)
    ] = None,
    no_certificate: Annotated[bool, typer.Option("--no-certificate", help="Stop ordering certificates.")] = False,
    attach: Attach = None,
    detach: Annotated[bool, typer.Option("--detach", help="Serve the automatic certificate again.")] = False,
    description: Description = None,
    metadata: Metadata = None,
    event_id: EventId = None,
    correlation_id: CorrelationId = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_SECONDS,
    as_json: Json = False,
) -> int:
    """Change the given options of a domain; the others stay. A waiting order is retried now.

    Example:  certsmith publish domain-updated shop.example.com --upstream tcp://10.0.0.8:8080
    """
    data = _given(domain=host, tenant=tenant or None, description=description, metadata=metadata)
    policy = _given(private_key_type=str(key_type)) if key_type else None
    data |= _given_or_removed("upstream", upstream, is_removed=no_upstream)
    data |= _given_or_removed("certificate_management_policy", policy, is_removed=no_certificate)
    data |= _given_or_removed("attached_certificate_id", attach, is_removed=detach)
    wait_seconds = timeout if wait else None
    return _publish("domain.updated", data, event_id, correlation_id, wait_seconds=wait_seconds, as_json=as_json)


def domain_deleted(
    host: Host,
    *,
    tenant: Tenant = "",
    event_id: EventId = None,
    correlation_id: CorrelationId = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_SECONDS,
    as_json: Json = False,
) -> int:
    """Stop hosting a domain: its orders are cancelled, its keys are deleted, and it is no longer served.

    Example:  certsmith publish domain-deleted shop.example.com
    """
    data = _given(domain=host, tenant=tenant or None)
    wait_seconds = timeout if wait else None
    return _publish("domain.deleted", data, event_id, correlation_id, wait_seconds=wait_seconds, as_json=as_json)


def renewal_requested(
    host: Host,
    *,
    tenant: Tenant = "",
    reason: Annotated[str | None, typer.Option(help="A text for the log.", show_default=False)] = None,
    event_id: EventId = None,
    correlation_id: CorrelationId = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_SECONDS,
    as_json: Json = False,
) -> int:
    """Renew a domain's certificate now, or retry an order that waits or has failed.

    Example:  certsmith publish renewal-requested shop.example.com --wait
    """
    data = _given(domain=host, tenant=tenant or None, reason=reason)
    wait_seconds = timeout if wait else None
    kind = "certificate.renewal_requested"
    return _publish(kind, data, event_id, correlation_id, wait_seconds=wait_seconds, as_json=as_json)


def certificate_uploaded(  # noqa: PLR0913 - one for each option
    *,
    bundle: Bundle,
    key: Key,
    attach: AttachTo = None,
    tenant: Tenant = "",
    certificate_id: NewCertificateId = None,
    description: Description = None,
    metadata: Metadata = None,
    expires_in: ExpiresIn = HOURS,
    check: Check = True,
    event_id: EventId = None,
    correlation_id: CorrelationId = None,
    wait: WaitForVerdict = False,
    timeout: Timeout = WAIT_SECONDS,
    as_json: Json = False,
) -> int:
    """Upload a customer's own certificate; the validator judges it, and stores it if it is accepted.

    The private key is sealed before it is sent, so that only the validator can open it; it is never printed.

    Example:  certsmith publish certificate-uploaded --bundle shop.pem --key shop.key --attach shop.example.com --wait
    """
    from datetime import timedelta

    from certsmith.publishing.publish import publish
    from certsmith.publishing.uploading import UploadOptions, read_certificate_and_key, require_acceptable, upload_event
    from certsmith.terminal import Terminal

    wanted = UploadOptions(
        certificate_id=certificate_id,
        tenant=tenant,
        attach=attach or (),
        description=description,
        metadata=metadata,
        lifetime=timedelta(hours=expires_in),
    )
    pair = read_certificate_and_key(bundle, key)
    if check:
        require_acceptable(pair, wanted.attach)
    event = upload_event(pair, wanted, event_id=event_id, correlation_id=correlation_id)
    return publish(event, Terminal(as_json=as_json), wait_seconds=timeout if wait else None)


def _publish(
    request_type: str,
    data: "dict[str, JsonValue]",
    event_id: str | None,
    correlation_id: str | None,
    *,
    wait_seconds: float | None,
    as_json: bool,
) -> int:
    from certsmith.publishing.publish import publish
    from certsmith.publishing.requests import request_event
    from certsmith.terminal import Terminal

    event = request_event(request_type, data, event_id=event_id, correlation_id=correlation_id)
    return publish(event, Terminal(as_json=as_json), wait_seconds=wait_seconds)


def _given(**fields: "JsonValue") -> "dict[str, JsonValue]":
    """Return those of *fields* that were given; a field that is left out is not changed."""
    return {name: value for name, value in fields.items() if value is not None}


def _given_or_removed(field: str, value: "JsonValue", *, is_removed: bool) -> "dict[str, JsonValue]":
    """Return *field* with *value* if one was given, with null if it is removed."""
    if is_removed and value is not None:
        raise typer.BadParameter(f"{field} cannot be set and removed at once")
    return {field: value} if is_removed or value is not None else {}
