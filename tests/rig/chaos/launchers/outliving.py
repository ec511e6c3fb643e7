"""Runs a program and outlives it: `python outliving.py FILE PROGRAM [ARGUMENT]...`.

Processes that a killed program leaves behind keep running, as on a real machine; they end with this one. FILE gets a
line with the program's process id, and one with its exit status, 128 + N when signal N ended it.
"""

import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run the program, and then wait to be killed."""
    process = subprocess.Popen(sys.argv[2:])
    with Path(sys.argv[1]).open("a", buffering=1) as file:  # a line at a time, so that no reader sees half of one
        file.write(f"{process.pid}\n")
        status = process.wait()
        file.write(f"{status if status >= 0 else 128 - status}\n")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
