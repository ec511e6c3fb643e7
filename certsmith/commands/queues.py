"""`certsmith queues`."""

from typing import Annotated

import typer

from certsmith.commands.options import Json


def queues(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="How often --watch looks.")] = 2.0,
    as_json: Json = False,
) -> int:
    """Show what waits: messages in queues, dead letters, events in the outbox, orders.

    Ready messages wait for a consumer, unacked ones are in one's hands; the broker counts every few seconds. An outbox
    that ages has no relay: is its service running?

    Example:  certsmith queues --watch
    """
    from certsmith.actions.queues import show_queues
    from certsmith.terminal import Terminal

    return show_queues(Terminal(as_json=as_json), every_seconds=every if watch else None)
