"""`certsmith domains` and `certsmith status`: the state of domains, the reason, and what must be done."""

from typing import Annotated

import typer

from certsmith.commands.options import EveryTenant, Json


def domains(
    *,
    tenant: EveryTenant = None,
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those for which somebody must act.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many to list at most.")] = 100,
    after: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Start after this one: the last id of the previous page.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> int:
    """List the hosted domains by name: serving, progressing or stuck, and why.

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
    """Show one domain: its certificate, its order, the nodes that serve it, and what to do if it is not served.

    Exit code 0: serving, 3: stuck, 4: progressing, 5: there is no such domain.

    Example:  certsmith status shop.example.com
    """
    from certsmith.actions.domains import show_status
    from certsmith.terminal import Terminal

    return show_status(host, tenant=tenant, terminal=Terminal(as_json=as_json))
