"""`python -m dev.demo [--keep]`."""

import signal
import sys


def main() -> int:
    """Run the demo; return its exit code."""
    # Until the demo handles it, nothing has been started, so Ctrl-C needs no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dev.demo.command import run  # noqa: PLC0415 - after the line above, because it takes half a second

    return run()


if __name__ == "__main__":
    sys.exit(main())
