"""A worker's log: the few lines that a worker writes, as one JSON object each, on standard error.

It does not use `shared.logs`: without that, a worker starts in half the time, and connections wait for the successor of
a worker that has exited.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path


def log_error(event: str, **facts: object) -> None:
    """Log *event*, which should not happen. The facts must hold no secret, nor anything that a client can make long."""
    _write("error", event, facts)


def log_unexpected(error: BaseException | None, message: str = "") -> None:
    """Log the type of an unexpected *error* and where it was raised, but not its text, which may quote a secret."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    log_error("unexpected_error", error=type(error).__name__, message=message, where=where)


def log_info(event: str, **facts: object) -> None:
    """Log *event*, which is a normal part of a worker's life."""
    _write("info", event, facts)


def _write(level: str, event: str, facts: dict[str, object]) -> None:
    line = {"event": event, "level": level, "service": "terminator", "worker_pid": os.getpid(), **facts}
    line["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
