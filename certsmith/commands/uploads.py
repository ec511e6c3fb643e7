"""`certsmith uploads`: verdicts on customers' own certificates, and who may upload any."""

from enum import StrEnum
from typing import Annotated

import typer

from certsmith.commands.options import EveryTenant, Json

OneTenant = Annotated[
    str, typer.Argument(metavar="TENANT", help="As your platform calls it; '' is the tenant without a name.")
]


class State(StrEnum):
    """How far an upload is."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


def list_uploads(
    *,
    tenant: EveryTenant = None,
    state: Annotated[State | None, typer.Option(help="Only these.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    after: Annotated[
        str | None, typer.Option(metavar="CERT_ID", help="Only those after this one.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> int:
    """List uploads with their verdicts, newest first.

    Example:  certsmith uploads list --state rejected
    """
    from certsmith.actions.uploads import UploadFilter, list_uploads
    from certsmith.terminal import Terminal

    wanted = UploadFilter(tenant=tenant, state=None if state is None else str(state), limit=limit, after=after)
    return list_uploads(wanted, Terminal(as_json=as_json))


def show(
    certificate_id: Annotated[str, typer.Argument(metavar="CERT_ID", help="The id that it was uploaded with.")],
    *,
    as_json: Json = False,
) -> int:
    """Show one upload: its verdict, with every reason against it and every warning.

    Example:  certsmith uploads show cert_4k2v
    """
    from certsmith.actions.uploads import show_upload
    from certsmith.terminal import Terminal

    return show_upload(certificate_id, Terminal(as_json=as_json))


def tenants(*, as_json: Json = False) -> int:
    """List the tenants for which it was decided whether they may upload; all others may do what the settings say.

    Example:  certsmith uploads tenants
    """
    from certsmith.actions.uploads import list_tenants
    from certsmith.terminal import Terminal

    return list_tenants(Terminal(as_json=as_json))


def allow(tenant: OneTenant, *, as_json: Json = False) -> int:
    """Let a tenant upload certificates, whatever the settings say.

    Example:  certsmith uploads allow acme
    """
    return _decide(tenant, allowed=True, as_json=as_json)


def forbid(tenant: OneTenant, *, as_json: Json = False) -> int:
    """Let a tenant upload no more certificates; what is stored is served as before, and can be attached and detached.

    Example:  certsmith uploads forbid acme
    """
    return _decide(tenant, allowed=False, as_json=as_json)


def reset(tenant: OneTenant, *, as_json: Json = False) -> int:
    """Let a tenant do again what the settings say.

    Example:  certsmith uploads reset acme
    """
    return _decide(tenant, allowed=None, as_json=as_json)


def _decide(tenant: str, *, allowed: bool | None, as_json: bool) -> int:
    from certsmith.actions.uploads import decide
    from certsmith.terminal import Terminal

    return decide(tenant, allowed=allowed, terminal=Terminal(as_json=as_json))
