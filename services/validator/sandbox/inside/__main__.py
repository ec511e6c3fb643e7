"""Starts a sandbox process. Only the validator does, with the process's end of a socket as the argument."""

import signal
import sys


def main(arguments: list[str]) -> int:
    """Judge the uploads that arrive on the socket whose file descriptor is the first of *arguments*."""
    # The validator decides when this process ends; a signal to the whole process group must not.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from services.validator.sandbox.inside import abandoning  # noqa: PLC0415 - imports take long, signals come first
    from services.validator.sandbox.inside.process import run  # noqa: PLC0415

    abandoning.listen()
    run(int(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
