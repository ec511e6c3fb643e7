"""A worker's process: its memory and file limits, its first message from the control process, and its event loop."""

import asyncio
import resource
import socket

import uvloop

from services.terminator import messages
from services.terminator.worker.app import Sockets, serve
from shared.process import confinement
from shared.process.ipc import receive


def run(descriptors: tuple[int, int, int]) -> None:
    """Serve on the open file *descriptors* of the link, the port for TLS and port 80, until drained."""
    confinement.protect_memory()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    control, https, http = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    begin = receive(control, messages.FIRST_FROM_CONTROL)
    if not isinstance(begin, messages.Begin):  # the control process has exited already
        return
    control.settimeout(0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(begin, Sockets(control=control, https=https, http=http)))
