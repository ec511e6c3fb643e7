"""Options that several commands have, each said once."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text; errors too.")]
Tenant = Annotated[
    str, typer.Option(help="The customer, as your platform calls it. Without: the tenant without a name.")
]
EveryTenant = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's. Without: everybody's.")]
Timeout = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long --wait waits.")]
