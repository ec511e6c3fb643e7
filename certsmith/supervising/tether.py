"""Becomes a program that is asked to stop when its parent dies, however the parent dies.

    python -I -S tether.py PARENT PROGRAM [ARGUMENT]...

PARENT is the parent's process id. The signal is SIGTERM: a service drains its connections and stops within its grace.
This runs between fork and the program, in a process of its own, because what runs there in the parent's must not
allocate memory while the parent has threads.
"""

import os
import signal
import sys
from pathlib import Path

# -I leaves out the folder that holds `shared`; `confinement` needs the standard library only.
sys.path.append(str(Path(__file__).parents[2]))

from shared.process.confinement import signal_at_parents_death


def main() -> None:
    """Tie this process to its parent, and become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    signal_at_parents_death(signal.SIGTERM)
    if os.getppid() == parent:  # else the parent has died already, and the kernel sends nothing
        os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
