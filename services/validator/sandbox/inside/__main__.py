"""Starts a judge: only the validator does, with its end of a socket as the argument."""

import signal
import sys


def main(arguments: list[str]) -> int:
    """Judge what comes on the socket with the file descriptor that *arguments* name."""
    # The validator decides when a judge ends; a signal to the whole process group reaches it too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from services.validator.sandbox.inside import abandoning  # noqa: PLC0415 - see above
    from services.validator.sandbox.inside.process import run  # noqa: PLC0415

    abandoning.listen()
    run(int(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
