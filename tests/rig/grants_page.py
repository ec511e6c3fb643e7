"""Reads docs/grants.md: what each role may do, as a set of single rights."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "grants.md"
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
WHOLE_ROW = "*"

Columns = Mapping[str, tuple[str, ...]]  # by table


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """May *verb* *column* of *table*; a DELETE is of whole rows."""

    table: str
    verb: str
    column: str


def rights_of(role: str, columns: Columns) -> frozenset[Right]:
    """Return all rights that the page gives to *role*, in a database with these *columns*."""
    return frozenset(right for name, right in _rights(columns) if name == role)


def functions_of(role: str) -> frozenset[str]:
    """Return the functions that the page lets *role* call."""
    rows = [row for row in _rows() if len(row) == 3 and row[0].startswith("`registry.")]
    return frozenset(row[0].strip("`") for row in rows if role in _listed(row[1]))


def documented_tables() -> frozenset[str]:
    """Return all tables that the page names."""
    return frozenset(row[0].strip("`") for row in _rows() if len(row) == 6 and row[0].startswith("`"))


def _rights(columns: Columns) -> Iterator[tuple[str, Right]]:
    for row in _rows():
        if len(row) != 6 or not row[0].startswith("`"):
            continue
        table = row[0].strip("`")
        for role in _listed(row[1]):
            for verb, cell in zip(VERBS, row[2:], strict=True):
                for column in _named(cell.removesuffix("(*own*)").strip(), columns[table]):
                    yield role, Right(table, verb, column)


def _named(cell: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that *cell* names."""
    if cell == "—":
        return ()
    if cell == "yes":
        return (WHOLE_ROW,)
    if cell == "all":
        return columns
    is_exception, names = cell.startswith("all but "), _listed(cell.removeprefix("all but "))
    unknown = set(names) - set(columns)
    assert not unknown, f"the page names columns that there are not: {unknown}"
    return tuple(column for column in columns if (column in names) is not is_exception)


def _rows() -> Iterator[tuple[str, ...]]:
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s-]+", line):
            yield tuple(cell.strip() for cell in line.strip("|").split("|"))


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(","))
