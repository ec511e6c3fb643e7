"""A worker's composition root: what it was told, the link, and the two ports, until it is to drain."""

import asyncio
import contextlib
import functools
import ipaddress
import math
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from services.terminator import messages
from services.terminator.counters import Figures
from services.terminator.listening import empty, refuse_new
from services.terminator.worker.connections import Connections
from services.terminator.worker.deadlines import Watch
from services.terminator.worker.http.port80 import Plain
from services.terminator.worker.link import ControlLink
from services.terminator.worker.log import complain_of, note
from services.terminator.worker.resources import Resources
from services.terminator.worker.tls.client_hello_wait import Greeting
from services.terminator.worker.tls.contexts import Contexts, Entry
from services.terminator.worker.tls.pending_handshakes import Unshown
from services.terminator.worker.upstream.dialling import Dialler
from shared.tls import new_context

SWEEP_SECONDS: Final = 0.25
REPORT_SECONDS: Final = 1.0
PARTING_SECONDS: Final = 3.0
QUEUE_SECONDS: Final = 2.0  # for what waits in the queues of the listening sockets when the worker is to end
_OTHER_FILES: Final = 64  # what else a process has open
BACKLOG: Final = 4096
IDLE_SWEEPS: Final = 4  # a connection is idle after this many looks without a byte,
HALF_CLOSED_SWEEPS: Final = 1  # and after this many when one side has ended: the other has most likely gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """What a worker is started with: its link, and its slot's listening sockets."""

    control: socket.socket
    https: socket.socket
    http: socket.socket


class Draining:
    """Whether the worker is to end, and how long that may take."""

    def __init__(self, seconds: float) -> None:
        self.asked = asyncio.Event()
        self.seconds = seconds

    def ask(self, seconds: float | None) -> None:
        """End, in *seconds* at the latest; None: as was said at the beginning."""
        if not self.asked.is_set():
            self.seconds = self.seconds if seconds is None else seconds
            self.asked.set()


async def serve(begin: messages.Begin, sockets: Sockets) -> None:
    """Serve as *begin* says until the control process asks to drain, or has ended."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_exception)
    draining = Draining(begin.grace_seconds)
    resources = _resources(begin, draining)
    await loop.create_unix_connection(lambda: resources.link, sock=sockets.control)
    servers = [
        await loop.create_server(functools.partial(Greeting, resources), sock=sockets.https, backlog=BACKLOG),
        await loop.create_server(functools.partial(Plain, resources), sock=sockets.http, backlog=BACKLOG),
    ]
    resources.link.say(messages.Ready())
    async with asyncio.TaskGroup() as tasks:
        chores = [
            tasks.create_task(_every(SWEEP_SECONDS, functools.partial(_sweep, resources))),
            tasks.create_task(_every(REPORT_SECONDS, functools.partial(_report, resources))),
            tasks.create_task(_every(begin.idle_seconds / IDLE_SWEEPS, functools.partial(_end_idle, resources))),
        ]
        await draining.asked.wait()
        await _drain(resources, servers, sockets, draining.seconds)
        for chore in chores:
            chore.cancel()
    _report(resources)


def _resources(begin: messages.Begin, draining: Draining) -> Resources:
    figures, unshown, contexts = Figures(), Unshown(), Contexts(begin.max_contexts)
    # Each connection has an upstream's beside it.
    most_connections = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_FILES) // 2
    return Resources(
        contexts=contexts,
        unshown=unshown,
        figures=figures,
        link=ControlLink(contexts=contexts, unshown=unshown, figures=figures, on_drain=draining.ask),
        dialler=Dialler(
            allow=tuple(map(ipaddress.ip_network, begin.upstream_allow)),
            deny=tuple(map(ipaddress.ip_network, begin.upstream_deny)),
            own_ports=begin.own_ports,
            seconds=begin.connect_seconds,
        ),
        # One certificate for whoever names nobody: nothing of one such visitor resumes for another.
        default=Entry(math.inf, context=new_context(begin.default_chain, begin.default_key, resumable=False)),
        handshakes=Watch(begin.handshake_seconds, begin.max_handshakes),
        requests=Watch(begin.handshake_seconds, begin.max_handshakes),
        partings=Watch(PARTING_SECONDS, begin.max_handshakes),
        connections=Connections(min(begin.max_connections, most_connections), figures),
        redirect_port=begin.redirect_port,
    )


async def _drain(resources: Resources, servers: list[asyncio.Server], sockets: Sockets, seconds: float) -> None:
    """Accept what waits, then nothing more; return when all connections have ended, or after *seconds*."""
    listeners = (sockets.https, sockets.http)
    try:
        async with asyncio.timeout(seconds):
            for listener in listeners:
                refuse_new(listener)
            await asyncio.gather(*(empty(listener, seconds=QUEUE_SECONDS) for listener in listeners))
            for server in servers:
                server.close()
            await resources.connections.emptied.wait()
    except TimeoutError:
        note("connections_ended", connections=len(resources.connections), grace_seconds=seconds)
    resources.connections.abort_all()
    for task in resources.tasks:
        task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await resources.connections.emptied.wait()


async def _every(seconds: float, act: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        act()


def _sweep(resources: Resources) -> None:
    for watch in (resources.handshakes, resources.requests, resources.partings):
        watch.sweep()


def _end_idle(resources: Resources) -> None:
    for tunnel in list(resources.tunnels):
        tunnel.quiet += 1
        if tunnel.quiet > (HALF_CLOSED_SWEEPS if tunnel.is_half_closed else IDLE_SWEEPS):
            tunnel.close()


def _report(resources: Resources) -> None:
    levels = (len(resources.handshakes), len(resources.connections), len(resources.contexts))
    resources.link.say(messages.Counted(resources.figures.take(), levels))


def _on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    complain_of(context.get("exception"), str(context.get("message")))
