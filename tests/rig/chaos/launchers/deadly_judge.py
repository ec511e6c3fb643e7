"""A judge that kills its validator: `python -m tests.rig.chaos.launchers.deadly_judge MOMENT NUMBER SECONDS FD`.

It is the product's judge, behind a relay that counts what goes by: with assignment NUMBER it ends both, some SECONDS
after it came (MOMENT `assigned`) or after the opinion on it was given (`answered`).
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
    ours, judges = socket.socketpair()
    threading.Thread(target=run, args=(judges.detach(),), daemon=True).start()
    waiting = selectors.DefaultSelector()
    waiting.register(validator, selectors.EVENT_READ)
    waiting.register(ours, selectors.EVENT_READ)
    count, is_judging = 0, True  # what is said before the judge waits is no assignment
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
                    _die(seconds)
            (ours if is_from_validator else validator).sendall(data)
            if not is_from_validator and is_judging:
                is_judging = False
                if (moment, number) == ("answered", count):
                    _die(seconds)


def _die(seconds: float) -> None:
    """Kill the validator after *seconds*, and with it this process."""
    time.sleep(seconds)
    os.kill(os.getppid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
