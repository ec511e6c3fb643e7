"""`certsmith dead-letters`: messages that were refused."""

from typing import Annotated

import typer

from certsmith.commands.options import Json

Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="Ids from `dead-letters list`.")]


def list_letters(
    *,
    service: Annotated[str | None, typer.Option(help="Only those of this service.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that were replayed.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many to list at most.")] = 50,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Only those older than this one.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> int:
    """List messages that a service refused or could not handle, newest first.

    Example:  certsmith dead-letters list --service provisioner
    """
    from certsmith.actions.dead_letters import DeadLetterFilter, show_list
    from certsmith.terminal import Terminal

    wanted = DeadLetterFilter(service=service, replayed_too=every, limit=limit, before=before)
    return show_list(wanted, Terminal(as_json=as_json))


def show(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="An id from `dead-letters list`.")],
    *,
    as_json: Json = False,
) -> int:
    """Show one dead letter in full: the reason, its headers and its body.

    Example:  certsmith dead-letters show 12
    """
    from certsmith.actions.dead_letters import show_letter
    from certsmith.terminal import Terminal

    return show_letter(letter_id, Terminal(as_json=as_json))


def replay(ids: Ids, *, as_json: Json = False) -> int:
    """Publish dead letters again, after you have fixed the cause; the service handles them although it saw them before.

    Example:  certsmith dead-letters replay 12 13
    """
    from certsmith.actions.dead_letters import replay_letters
    from certsmith.terminal import Terminal

    return replay_letters(ids, Terminal(as_json=as_json))


def drop(ids: Ids, *, as_json: Json = False) -> int:
    """Delete dead letters; this cannot be undone.

    Example:  certsmith dead-letters drop 12
    """
    from certsmith.actions.dead_letters import drop_letters
    from certsmith.terminal import Terminal

    return drop_letters(ids, Terminal(as_json=as_json))
