"""Starts a worker. Only the control process runs this, with open sockets as arguments."""

import signal
import sys


def main(arguments: list[str]) -> int:
    """Run a worker on the file descriptors that *arguments* name: link, port for TLS, port 80."""
    # The control process decides when a worker exits, but a signal to the whole process group reaches the worker too,
    # possibly during the imports, which take long. So signals are ignored before anything is imported.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from services.terminator.worker.process import run  # noqa: PLC0415 - see above

    control, https, http = map(int, arguments)
    run((control, https, http))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
