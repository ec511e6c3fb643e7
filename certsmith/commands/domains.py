"""`certsmith domains` and `certsmith status`: what is, why, and who must do what."""

from typing import Annotated

import typer

from certsmith.commands.options import EveryTenant, Json


def domains(
    *,
    tenant: EveryTenant = None,
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those for which somebody must act.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    after: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only those after the domain with this id.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> int:
    """List the hosted domains by name: serving, progressing or stuck, and what there is to say.

    Example:  certsmith domains --stuck
    """
    from certsmith.actions.domains import DomainFilter, list_domains
    from certsmith.terminal import Terminal

    wanted = DomainFilter(tenant=tenant, only_stuck=stuck, limit=limit, after=after)
    return list_domains(wanted, Terminal(as_json=as_json))


def status(
    host: Annotated[str, typer.Argument(metavar="HOST", help="The domain.")],
    *,
    tenant: EveryTenant = None,
    as_json: Json = False,
) -> int:
    """Show one domain: its certificate, its order, who serves it, and who must do what.

    Exit code 0: serving, 3: stuck, 4: progressing, 5: there is no such domain.

    Example:  certsmith status shop.example.com
    """
    from certsmith.actions.domains import show_status
    from certsmith.terminal import Terminal

    return show_status(host, tenant=tenant, terminal=Terminal(as_json=as_json))
