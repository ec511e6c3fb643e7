"""A worker's log: what should not have happened, one JSON object a line on standard error.

Not `shared.logs`: a worker starts in half the time without it, and its successor has connections waiting.
"""

import json
import os
import sys
import time


def complain(event: str, **facts: object) -> None:
    """Write that *event* happened, with its *facts*; never a secret, and nothing that grows with a client's wishes."""
    line = {"event": event, "level": "error", "service": "terminator", "worker_pid": os.getpid(), **facts}
    line["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
