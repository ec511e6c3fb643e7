"""Finds processes and listeners of this machine, by /proc."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from dev import waiting


def of_folder(folder: Path) -> dict[int, str]:
    """Return id and name of every process that has *folder* in its command line or environment, or is in it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _mentions(entry, str(folder)):
            found[int(entry.name)] = _read(entry / "comm").decode().strip()
    return found


def listening(ports: list[int]) -> list[int]:
    """Return those of *ports* that accept connections."""
    found = []
    for port in ports:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


async def until(holds: Callable[[], bool], what: str) -> None:
    """Return when *holds* does; fail, naming *what* was waited for, as `dev.waiting.until` does."""

    async def look() -> bool:
        return holds()

    await waiting.until(look, what)


def _mentions(process: Path, text: str) -> bool:
    if text.encode() in _read(process / "cmdline") + _read(process / "environ"):
        return True
    try:
        return str((process / "cwd").readlink()).startswith(text)
    except OSError:
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
