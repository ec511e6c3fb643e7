"""`certsmith queues`: work that waits."""

from typing import Annotated

import typer

from certsmith.commands.options import Json


def queues(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="The interval of --watch.")] = 2.0,
    as_json: Json = False,
) -> int:
    """Count waiting work: messages in queues, dead letters, events in the outbox, orders.

    Ready messages wait for a consumer, unacked ones are being handled; the broker counts every few seconds. If the
    oldest event of an outbox gets older and older, its service is not running or cannot publish.

    Example:  certsmith queues --watch
    """
    from certsmith.actions.queues import show_queues
    from certsmith.terminal import Terminal

    return show_queues(Terminal(as_json=as_json), every_seconds=every if watch else None)
