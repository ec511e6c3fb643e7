"""Starts a worker: only the control process does, with open sockets as its arguments."""

import signal
import sys


def main(arguments: list[str]) -> int:
    """Run a worker on the file descriptors that *arguments* name: link, port for TLS, port 80."""
    # The control process decides when a worker ends; a signal to the whole process group reaches it too, and the
    # imports take long enough to be hit by one.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from services.terminator.worker.process import run  # noqa: PLC0415 - see above

    control, https, http = map(int, arguments)
    run((control, https, http))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
