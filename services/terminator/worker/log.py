"""A worker's log: the little that it has to say, one JSON object a line on standard error.

Not `shared.logs`: a worker starts in half the time without it, and its successor has connections waiting.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path


def complain(event: str, **facts: object) -> None:
    """Write that *event*, which should not, has happened; no secrets, and nothing that grows with a client's wishes."""
    _write("error", event, facts)


def complain_of(error: BaseException | None, message: str = "") -> None:
    """Write that *error* was not expected, and where it came from; not its text, which may quote a secret."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    complain("unexpected_error", error=type(error).__name__, message=message, where=where)


def note(event: str, **facts: object) -> None:
    """Write that *event* has happened."""
    _write("info", event, facts)


def _write(level: str, event: str, facts: dict[str, object]) -> None:
    line = {"event": event, "level": level, "service": "terminator", "worker_pid": os.getpid(), **facts}
    line["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
