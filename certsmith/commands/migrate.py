"""`certsmith migrate`: the database and the broker, made ready for the services."""

from typing import Annotated

import typer

from certsmith.commands.options import Json


def migrate(
    *,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to retry while database and broker start.")
    ] = 0.0,
    as_json: Json = False,
) -> int:
    """Bring the database's schema and roles, and the broker's exchanges, queues, policies and users up to date.

    It only adds, so services of the previous release can keep running, and it can be run again at any time. For each
    <SERVICE>_DATABASE_URL, <SERVICE>_AMQP_URL and PUBLISHER_AMQP_URL that is set, it creates the user in that address
    and grants it the rights that it needs, and no others.

    Example:  certsmith migrate --wait 60
    """
    from certsmith.actions.migrate import migrate_all
    from certsmith.terminal import Terminal

    return migrate_all(Terminal(as_json=as_json), wait_seconds=wait)
