"""Becomes a program that is told to stop when its parent dies, however the parent dies.

    python -I -S tether.py PARENT PROGRAM [ARGUMENT]...

PARENT is the parent's process id. The signal is SIGTERM: a service drains its connections and stops within its grace.
This runs between fork and the program, in a process of its own, because what runs there in the parent's must not
allocate memory while the parent has threads.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def main() -> None:
    """Tie this process to its parent, and become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == parent:  # else it has died already, and the kernel will not tell
        os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
