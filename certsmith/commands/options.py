"""Options that several commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text, also for an error.")]
Tenant = Annotated[str, typer.Option(help="The customer's name in your platform. Default: the unnamed tenant.")]
EveryTenant = Annotated[str | None, typer.Option("--tenant", help="Only those of this tenant. Default: all tenants.")]
Timeout = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait at most.")]
