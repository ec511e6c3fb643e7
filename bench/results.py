"""The results of benchmarks: stored as JSON, shown as a table."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result: the median of its rounds; *spread* is their minimum and maximum.

    *ratio* is *value* divided by the same measurement of *peer* in the same run.
    """

    name: str
    value: float
    unit: str
    goal: float | None
    spread: tuple[float, float]
    peer: str | None = None
    ratio: float | None = None


def of_rounds(
    name: str,
    rounds: Sequence[float],
    *,
    unit: str,
    goal: float | None = None,
    peer: str | None = None,
    of_peer: float | None = None,
) -> Result:
    """Return the result of *rounds*, compared with *of_peer*, which was measured for *peer*."""
    value = statistics.median(rounds)
    ratio = None if of_peer is None else round(value / of_peer, 3)
    spread = (_short(min(rounds)), _short(max(rounds)))
    return Result(name=name, value=_short(value), unit=unit, goal=goal, spread=spread, peer=peer, ratio=ratio)


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the percentile *share* (0.99 for p99) of *samples*."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def write(results: Sequence[Result], path: Path) -> None:
    """Write *results* to the JSON list at *path*, in place of older ones of the same names; the others stay."""
    stored: dict[str, dict[str, object]] = {}
    if path.exists():
        stored = {each["name"]: each for each in json.loads(path.read_text("utf-8"))}
    stored.update({each.name: asdict(each) for each in results})
    path.write_text(json.dumps(list(stored.values()), indent=2) + "\n", "utf-8")


def show(results: Sequence[Result]) -> None:
    """Print *results* as a table."""
    table = Table(title="Benchmarks: the median of the rounds, and their spread")
    for column in ("result", "value", "spread", "goal", "peer", "ratio"):
        table.add_column(column, justify="right" if column in ("value", "spread", "goal", "ratio") else "left")
    for each in results:
        met = each.goal is None or each.value <= each.goal
        table.add_row(
            each.name,
            f"[{'green' if met else 'yellow'}]{each.value:g} {each.unit}[/]",
            f"{each.spread[0]:g} - {each.spread[1]:g}",
            "" if each.goal is None else f"{each.goal:g}",
            each.peer or "",
            "" if each.ratio is None else f"{each.ratio:g}",
        )
    Console().print(table)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
