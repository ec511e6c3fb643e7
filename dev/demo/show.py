"""Displays the demo: a table that is updated at a terminal, otherwise one plain line for each event."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from certsmith.actions.queues import Backlog
from dev.demo.board import Board, Entry

_FRAMES_PER_SECOND: Final = 12
_WIDE: Final = 10_000
_STYLES: Final = {"served": "bold green", "failed": "bold red", "waiting_dns": "yellow", "not published": "dim"}


class Show:
    """Standard output, a terminal or not."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
        self._console: Final = Console(highlight=False, markup=False, emoji=False, width=width)

    def say(self, *lines: RenderableType) -> None:
        """Show *lines*."""
        for line in lines:
            self._console.print(line, soft_wrap=isinstance(line, str))  # so that texts can be copied unchanged

    @contextmanager
    def step(self, doing: str, done: str | None = None) -> Iterator[None]:
        """Show *doing* during the block, and *done* with the duration when it has ended without an error."""
        began = time.monotonic()
        waiting = self._console.status(Text(doing)) if self._console.is_terminal else nullcontext()
        with waiting:
            yield
        took = f"{time.monotonic() - began:5.1f} s"
        self.say(Text.assemble((f"{took}  ", "dim"), done or doing))

    @contextmanager
    def watching(self, board: Board) -> Iterator[None]:
        """Show *board* and its changes during the block, and its final state."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            get_renderable=lambda: _table(board),
            console=self._console,
            refresh_per_second=_FRAMES_PER_SECOND,
            vertical_overflow="visible",
        ):
            yield

    def changed(self, entry: Entry) -> None:
        """Print the state of *entry*, unless the table shows it."""
        if not self._console.is_terminal:
            sentence = f"  {entry.sentence}" if entry.sentence else ""
            self.say(f"{entry.elapsed:5.2f} s  {entry.shown:<22}{entry.state:<12}{sentence}".rstrip())

    def noted(self, note: str) -> None:
        """Print *note*, unless the table shows it."""
        if not self._console.is_terminal:
            self.say(f"         {note}")

    def visits(self, entries: Sequence[Entry]) -> None:
        """Show the visitor's results."""
        self.say("")
        for entry in entries:
            if entry.visit is not None:
                visit = entry.visit
                heading = Text.assemble((f"https://{entry.shown}/", "bold"), f"  {visit.status}, {visit.body!r}")
                who = f"    subject {visit.subject}, issuer {visit.issuer}"
                self.say(heading, who, f"    verified, {visit.protocol}, served {entry.elapsed:.2f} s after publish")
        self.say("")

    def failed(self, text: str) -> None:
        """Show why the demo failed."""
        self.say(Text.assemble(("error: ", "bold red"), text))


def _table(board: Board) -> RenderableType:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    shown.add_column("domain", no_wrap=True)
    shown.add_column("is", no_wrap=True)
    shown.add_column("since publish", justify="right", no_wrap=True)
    shown.add_column("", overflow="fold")
    for entry in board.entries:
        state = Text(entry.state, _STYLES.get(entry.state, "cyan"))
        elapsed = f"{entry.elapsed:.2f} s" if entry.published_at else ""
        shown.add_row(Text(entry.shown, "bold"), state, elapsed, Text(entry.sentence, "dim"))
    return Group(shown, "", *(Text(note, "dim") for note in board.notes), _queues(board.figures))


def _queues(figures: Backlog | None) -> Text:
    if figures is None or figures.queues is None or figures.store is None:
        return Text("queues    …", "dim")
    ready = sum(queue.ready for queue in figures.queues)
    unacked = sum(queue.unacked or 0 for queue in figures.queues)
    waiting, orders = sum(each.waiting for each in figures.store.outbox), figures.store.orders
    letters = sum(figures.store.dead_letters.values())
    return Text.assemble(
        ("queues    ", "dim"),
        f"{ready} ready, {unacked} in progress, {letters} dead letters, {waiting} in the outbox\n",
        ("orders    ", "dim"),
        f"{orders.due} due, {orders.in_hand} in progress, {orders.waiting} waiting",
    )
