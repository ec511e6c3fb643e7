"""Reads a Dockerfile as far as its tests need: instructions by stage."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, for example `COPY requirements.txt ./`: *name* is COPY, *text* the rest."""

    name: str
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        """The words of *text*, which may have either form."""
        if self.text.startswith("["):
            return tuple(json.loads(self.text))
        return tuple(shlex.split(self.text))


def stages(path: Path) -> list[list[Instruction]]:
    """Return the instructions of each stage, FROM first; ARGs before the first stage are a separate stage."""
    found: list[list[Instruction]] = [[]]
    for instruction in _instructions(path):
        if instruction.name == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def environment(stage: Sequence[Instruction]) -> dict[str, str]:
    """Return the variables that the ENV instructions of *stage* set."""
    pairs = (word.partition("=") for each in stage if each.name == "ENV" for word in each.words)
    return {name: value for name, _, value in pairs}


def _instructions(path: Path) -> Iterator[Instruction]:
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, text = line.strip().partition(" ")
        yield Instruction(name.upper(), " ".join(text.split()))
