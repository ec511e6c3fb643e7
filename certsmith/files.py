"""Reads files that are named on the command line; `-` is standard input."""

import sys
from pathlib import Path
from typing import Final

from certsmith.exits import ExitCode
from certsmith.failures import CommandError

STANDARD_INPUT: Final = Path("-")


def read_file(path: Path, *, what: str, max_bytes: int) -> bytes:
    """Return the content of the file at *path*, which was given as the option *what*.

    Raises:
        CommandError: the file cannot be read, is empty, or has more than *max_bytes* (the rest is not read).
    """
    shown = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        content = _read(path, max_bytes + 1)
    except OSError as error:
        raise _unusable(f"{what}: {shown} cannot be read: {error.strerror}") from error
    if not content:
        raise _unusable(f"{what}: {shown} is empty")
    if len(content) > max_bytes:
        raise _unusable(f"{what}: {shown} is too large: at most {max_bytes // 1024} KiB are allowed")
    return content


def _read(path: Path, count: int) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read(count)
    with path.open("rb") as file:
        return file.read(count)


def _unusable(message: str) -> CommandError:
    return CommandError(message, code="file", exit_code=ExitCode.USAGE)
