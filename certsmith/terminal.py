"""The output of a command: one JSON document for programs, or lines and tables for people.

Results go to standard output, errors and progress to standard error. With `--json` standard output has exactly one JSON
document, whatever happens (`--watch` and `up` write one document a line); an error is a document too.
"""

import os
import sys
from collections.abc import Iterable
from typing import Final

from pydantic_core import to_json
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_WIDE: Final = 10_000  # columns when output is piped: wider than any line, so that nothing is wrapped


class Terminal:
    """Standard output and standard error of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json: Final = as_json
        self.out: Final = _console(to_errors=False)
        self.err: Final = _console(to_errors=True)

    def show(self, document: object, *lines: RenderableType, compact: bool = False) -> None:
        """Show a result: *document* to programs, *lines* to people."""
        if self.as_json:
            self._write(document, compact=compact)
            return
        for line in lines:
            _print(self.out, line)

    def say(self, line: RenderableType) -> None:
        """Show *line*, such as progress, to people on standard error; programs do not get it."""
        if not self.as_json:
            _print(self.err, line)

    def fail(self, document: object, message: str) -> None:
        """Show an error: *document* to programs, *message* to people."""
        if self.as_json:
            self._write(document, compact=False)
            return
        first, _, rest = message.partition("\n")
        self.err.print(Text.assemble(("error: ", "bold red"), first))
        for line in rest.splitlines():
            self.err.print(Text(f"       {line}"))

    def _write(self, document: object, *, compact: bool) -> None:
        sys.stdout.write(to_json(document, indent=None if compact else 2).decode() + "\n")
        sys.stdout.flush()


def table(*headings: str, rows: Iterable[Iterable[RenderableType]]) -> Table:
    """Return a table without borders, as wide as its content."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def facts(pairs: Iterable[tuple[str, RenderableType]]) -> Table:
    """Return a table of names and values, one pair a line."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value)
    return made


def printable(text: str) -> str:
    """Return untrusted *text* in one line, its control characters and escape sequences made harmless."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _print(console: Console, line: RenderableType) -> None:
    """Print *line*; when output is piped, without trailing spaces."""
    if console.is_terminal:
        console.print(line)
        return
    with console.capture() as captured:
        console.print(line)
    console.file.write("".join(f"{each.rstrip()}\n" for each in captured.get().splitlines()))


def _console(*, to_errors: bool) -> Console:
    stream = sys.stderr if to_errors else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(stderr=to_errors, highlight=False, markup=False, emoji=False, width=width)
