"""CPU time of processes (proc(5))."""

import os
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that process *pid* has used, without its children."""
    return sum(_times(pid)[:2]) / _TICKS


def cpu_seconds_of_family(pid: int) -> float:
    """Return the user and system time of process *pid* and its children, exited ones included."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())
    return sum(_times(pid)) / _TICKS + sum(cpu_seconds(child) for child in children)


def _times(pid: int) -> tuple[int, ...]:
    """Return the user and system time of *pid* and those of its exited children, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return tuple(map(int, fields[11:15]))
