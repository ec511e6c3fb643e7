"""`certsmith up`: all services in one terminal."""

from typing import Annotated

import typer

from certsmith.commands.options import Json


def up(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="SERVICE...", help="The services to run. Default: all.")
    ] = None,
    *,
    grace: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long services may take to stop before they are killed.")
    ] = 60.0,
    as_json: Json = False,
) -> int:
    """Run all services in this terminal: for development and small machines.

    A service that crashes is restarted. Ctrl-C or SIGTERM stops all services after they have finished their work.
    Before the first start, run certsmith keys generate and certsmith migrate.

    Example:  certsmith up
    """
    from certsmith.exits import ExitCode
    from certsmith.failures import CommandError
    from certsmith.supervising.running import known_services, run_services, service_called
    from certsmith.terminal import Terminal

    known = known_services()
    for name in services or ():
        if name not in known:
            raise CommandError(
                f"there is no service {name!r}; the services are {', '.join(known)}",
                code="usage",
                exit_code=ExitCode.USAGE,
            )
    chosen = [service_called(name) for name in services or known]
    return run_services(chosen, Terminal(as_json=as_json), grace_seconds=grace)
