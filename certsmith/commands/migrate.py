"""`certsmith migrate`."""

from typing import Annotated

import typer

from certsmith.commands.options import Json


def migrate(
    *,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Keep trying so long while database and broker start.")
    ] = 0.0,
    as_json: Json = False,
) -> int:
    """Bring the database's schema and roles, and the broker's exchanges, queues, policies and users up to date.

    It only adds: services of the previous release go on meanwhile. Repeating it does nothing, quickly. For each
    <SERVICE>_DATABASE_URL, <SERVICE>_AMQP_URL and PUBLISHER_AMQP_URL that is set, the user in it is made and gets its
    rights, and no others.

    Example:  certsmith migrate --wait 60
    """
    from certsmith.actions.migrate import migrate_all
    from certsmith.terminal import Terminal

    return migrate_all(Terminal(as_json=as_json), wait_seconds=wait)
