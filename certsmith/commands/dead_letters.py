"""`certsmith dead-letters`: what was refused, and what becomes of it."""

from typing import Annotated

import typer

from certsmith.commands.options import Json

Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="As `dead-letters list` shows them.")]


def list_letters(
    *,
    service: Annotated[str | None, typer.Option(help="Only of this service.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were replayed too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    before: Annotated[int | None, typer.Option(metavar="ID", help="Only older ones.", show_default=False)] = None,
    as_json: Json = False,
) -> int:
    """List messages that were refused or could not be handled, newest first; looking changes nothing.

    Example:  certsmith dead-letters list --service provisioner
    """
    from certsmith.actions.dead_letters import DeadLetterFilter, show_list
    from certsmith.terminal import Terminal

    wanted = DeadLetterFilter(service=service, replayed_too=every, limit=limit, before=before)
    return show_list(wanted, Terminal(as_json=as_json))


def show(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="The dead letter.")], *, as_json: Json = False
) -> int:
    """Show one dead letter whole: why it is here, its headers and its body.

    Example:  certsmith dead-letters show 12
    """
    from certsmith.actions.dead_letters import show_letter
    from certsmith.terminal import Terminal

    return show_letter(letter_id, Terminal(as_json=as_json))


def replay(ids: Ids, *, as_json: Json = False) -> int:
    """Publish dead letters again, once what was wrong is mended; their service acts on them although it has seen them.

    Example:  certsmith dead-letters replay 12 13
    """
    from certsmith.actions.dead_letters import replay_letters
    from certsmith.terminal import Terminal

    return replay_letters(ids, Terminal(as_json=as_json))


def drop(ids: Ids, *, as_json: Json = False) -> int:
    """Delete dead letters for good.

    Example:  certsmith dead-letters drop 12
    """
    from certsmith.actions.dead_letters import drop_letters
    from certsmith.terminal import Terminal

    return drop_letters(ids, Terminal(as_json=as_json))
