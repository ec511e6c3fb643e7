"""Starts a worker: only the control process does, with open sockets as its arguments."""

import asyncio
import resource
import signal
import socket
import sys

import uvloop

from services.terminator import wire
from services.terminator.frames import receive
from services.terminator.worker import memory
from services.terminator.worker.app import Sockets, serve


def main(arguments: list[str]) -> int:
    """Run a worker on the file descriptors that *arguments* name: link, port for TLS, port 80."""
    memory.protect()
    # The control process decides when a worker ends; a signal to the whole process group reaches it too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    control, https, http = (socket.socket(fileno=int(argument)) for argument in arguments)
    begin = receive(control, wire.FIRST_FROM_CONTROL)
    if not isinstance(begin, wire.Begin):
        return 0
    control.settimeout(0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(begin, Sockets(control=control, https=https, http=http)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
