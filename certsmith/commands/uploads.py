"""`certsmith uploads`: customers' own certificates, their verdicts, and the tenants that may upload."""

from enum import StrEnum
from typing import Annotated

import typer

from certsmith.commands.options import EveryTenant, Json

OneTenant = Annotated[
    str, typer.Argument(metavar="TENANT", help="The customer's name in your platform; '' is the unnamed tenant.")
]


class State(StrEnum):
    """The state of an upload."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


def list_uploads(
    *,
    tenant: EveryTenant = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list at most.")] = 100,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CERT_ID", help="Start after this one: the last id of the previous page.", show_default=False
        ),
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
    """Show one upload: its verdict, with all reasons and warnings.

    Example:  certsmith uploads show cert_4k2v
    """
    from certsmith.actions.uploads import show_upload
    from certsmith.terminal import Terminal

    return show_upload(certificate_id, Terminal(as_json=as_json))


def tenants(*, as_json: Json = False) -> int:
    """List the tenants for which uploads were allowed or forbidden; for all others VALIDATOR_UPLOADS decides.

    Example:  certsmith uploads tenants
    """
    from certsmith.actions.uploads import list_tenants
    from certsmith.terminal import Terminal

    return list_tenants(Terminal(as_json=as_json))


def allow(tenant: OneTenant, *, as_json: Json = False) -> int:
    """Allow a tenant to upload certificates, whatever VALIDATOR_UPLOADS says.

    Example:  certsmith uploads allow acme
    """
    return _decide(tenant, allowed=True, as_json=as_json)


def forbid(tenant: OneTenant, *, as_json: Json = False) -> int:
    """Forbid a tenant to upload certificates; its stored ones are still served, and can be attached and detached.

    Example:  certsmith uploads forbid acme
    """
    return _decide(tenant, allowed=False, as_json=as_json)


def reset(tenant: OneTenant, *, as_json: Json = False) -> int:
    """Undo allow or forbid: VALIDATOR_UPLOADS decides for this tenant again.

    Example:  certsmith uploads reset acme
    """
    return _decide(tenant, allowed=None, as_json=as_json)


def _decide(tenant: str, *, allowed: bool | None, as_json: bool) -> int:
    from certsmith.actions.uploads import decide
    from certsmith.terminal import Terminal

    return decide(tenant, allowed=allowed, terminal=Terminal(as_json=as_json))
