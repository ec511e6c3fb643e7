"""A sandbox process that kills its validator.

    python -m tests.rig.chaos.launchers.deadly_sandbox MOMENT NUMBER SECONDS FD

It is the product's own, behind a relay that counts the assignments. At assignment NUMBER it kills both processes,
SECONDS after the assignment arrived (MOMENT `assigned`) or after it was answered (`answered`).
"""

import os
import selectors
import signal
import socket
import sys
import threading
import time
from typing import Final

from services.validator.sandbox.inside import abandoning
from services.validator.sandbox.inside.process import run

_CHUNK: Final = 1 << 20


def main(moment: str, number: int, seconds: float, descriptor: int) -> None:
    """Relay until one side closes; kill the validator on the way."""
    abandoning.listen()
    validator = socket.socket(fileno=descriptor)
    ours, sandbox = socket.socketpair()
    threading.Thread(target=run, args=(sandbox.detach(),), daemon=True).start()
    waiting = selectors.DefaultSelector()
    waiting.register(validator, selectors.EVENT_READ)
    waiting.register(ours, selectors.EVENT_READ)
    count, is_judging = 0, True  # messages before the process is ready are no assignment
    while True:
        for ready, _ in waiting.select():
            data = ready.fileobj.recv(_CHUNK)  # type: ignore[union-attr] # both are sockets
            if not data:
                return
            is_from_validator = ready.fileobj is validator
            if is_from_validator and not is_judging:
                is_judging = True
                count += 1
                if (moment, number) == ("assigned", count):
                    _kill_validator(seconds)
            (ours if is_from_validator else validator).sendall(data)
            if not is_from_validator and is_judging:
                is_judging = False
                if (moment, number) == ("answered", count):
                    _kill_validator(seconds)


def _kill_validator(seconds: float) -> None:
    """Kill the validator after *seconds*; this process dies with it."""
    time.sleep(seconds)
    os.kill(os.getppid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
