"""A worker's composition root: it joins the link and the two ports as `Begin` says, and drains when asked to."""

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
from services.terminator.counters import Counters
from services.terminator.listening import refuse_new, wait_until_empty
from services.terminator.worker.connections import Connections
from services.terminator.worker.deadlines import Deadlines
from services.terminator.worker.http.port80 import Port80, Port80Resources
from services.terminator.worker.link import ControlLink
from services.terminator.worker.log import log_info, log_unexpected
from services.terminator.worker.tls.client_hello_wait import ClientHelloResources, ClientHelloWait
from services.terminator.worker.tls.contexts import Contexts, Entry
from services.terminator.worker.tls.pending_handshakes import PendingHandshakes
from services.terminator.worker.tls.records import Buffers
from services.terminator.worker.upstream.dialling import Dialler
from shared.tls import new_context

SWEEP_SECONDS: Final = 0.25
REPORT_SECONDS: Final = 1.0
LINGERING_SECONDS: Final = 3.0
QUEUE_SECONDS: Final = 2.0  # to accept what is queued in the listening sockets when the worker drains
_OTHER_FILES: Final = 64  # that a worker has open in addition to connections
BACKLOG: Final = 4096
IDLE_SWEEPS: Final = 4  # a connection is idle after this many checks without a byte,
HALF_CLOSED_SWEEPS: Final = 1  # or after this many when one side has ended: the other has most likely vanished


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """The sockets that a worker is started with: its link, and its slot's listening sockets."""

    control: socket.socket
    https: socket.socket
    http: socket.socket


class Draining:
    """Whether the control process has asked this worker to drain, and for how long that may take."""

    def __init__(self, seconds: float) -> None:
        self.asked = asyncio.Event()
        self.seconds = seconds

    def ask(self, seconds: float | None) -> None:
        """Drain within *seconds*; None stands for the grace period of `Begin`."""
        if not self.asked.is_set():
            self.seconds = self.seconds if seconds is None else seconds
            self.asked.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ports:
    """The resources of the two ports; both have the same link, connections, counters and deadlines."""

    tls: ClientHelloResources
    http: Port80Resources


async def serve(begin: messages.Begin, sockets: Sockets) -> None:
    """Serve as *begin* says until the control process asks to drain, or has exited."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_exception)
    draining = Draining(begin.grace_seconds)
    ports = _ports(begin, draining)
    resources, link = ports.tls, ports.tls.link
    await loop.create_unix_connection(lambda: link, sock=sockets.control)
    servers = [
        await loop.create_server(functools.partial(ClientHelloWait, ports.tls), sock=sockets.https, backlog=BACKLOG),
        await loop.create_server(functools.partial(Port80, ports.http), sock=sockets.http, backlog=BACKLOG),
    ]
    link.send(messages.Ready())
    async with asyncio.TaskGroup() as tasks:
        chores = [
            tasks.create_task(_every(SWEEP_SECONDS, functools.partial(_sweep, resources))),
            tasks.create_task(_every(REPORT_SECONDS, functools.partial(_report, resources))),
            tasks.create_task(_every(begin.idle_seconds / IDLE_SWEEPS, functools.partial(_close_idle, resources))),
        ]
        await draining.asked.wait()
        await _drain(resources, servers, sockets, draining.seconds)
        for chore in chores:
            chore.cancel()
    _report(resources)


def _ports(begin: messages.Begin, draining: Draining) -> _Ports:
    counters, pending, contexts = Counters(), PendingHandshakes(), Contexts(begin.max_contexts)
    connections = Connections(min(begin.max_connections, _most_connections()), counters)
    link = ControlLink(contexts=contexts, pending=pending, counters=counters, on_drain=draining.ask)
    buffers = Buffers()
    lingering = Deadlines(LINGERING_SECONDS, begin.max_handshakes)
    requests = Deadlines(begin.handshake_seconds, begin.max_handshakes)
    tls = ClientHelloResources(
        connections=connections,
        counters=counters,
        buffers=buffers,
        lingering=lingering,
        requests=requests,
        contexts=contexts,
        link=link,
        handshakes=Deadlines(begin.handshake_seconds, begin.max_handshakes),
        pending=pending,
        dialler=_dialler(begin),
        # One certificate for all clients that name no hosted domain: no session of one such client resumes for another.
        default=Entry(math.inf, context=new_context(begin.default_chain, begin.default_key, resumable=False)),
    )
    http = Port80Resources(
        connections=connections,
        counters=counters,
        buffers=buffers,
        lingering=lingering,
        requests=requests,
        link=link,
        redirect_port=begin.redirect_port,
    )
    return _Ports(tls=tls, http=http)


def _dialler(begin: messages.Begin) -> Dialler:
    return Dialler(
        allow=tuple(map(ipaddress.ip_network, begin.upstream_allow)),
        deny=tuple(map(ipaddress.ip_network, begin.upstream_deny)),
        own_ports=begin.own_ports,
        seconds=begin.connect_seconds,
    )


def _most_connections() -> int:
    """Return how many client connections fit the limit on file descriptors: each needs two, with its upstream's."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_FILES) // 2


async def _drain(
    resources: ClientHelloResources, servers: list[asyncio.Server], sockets: Sockets, seconds: float
) -> None:
    """Accept what is queued, then nothing else; return when all connections have ended, or after *seconds*."""
    listeners = (sockets.https, sockets.http)
    try:
        async with asyncio.timeout(seconds):
            for listener in listeners:
                refuse_new(listener)
            await asyncio.gather(*(wait_until_empty(listener, seconds=QUEUE_SECONDS) for listener in listeners))
            for server in servers:
                server.close()
            await resources.connections.emptied.wait()
    except TimeoutError:
        log_info("connections_aborted", connections=len(resources.connections), grace_seconds=seconds)
    resources.connections.abort_all()
    for dial in resources.dials:
        dial.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await resources.connections.emptied.wait()


async def _every(seconds: float, act: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        act()


def _sweep(resources: ClientHelloResources) -> None:
    for deadlines in (resources.handshakes, resources.requests, resources.lingering):
        deadlines.sweep()


def _close_idle(resources: ClientHelloResources) -> None:
    for tunnel in list(resources.tunnels):
        tunnel.quiet += 1
        if tunnel.quiet > (HALF_CLOSED_SWEEPS if tunnel.is_half_closed else IDLE_SWEEPS):
            tunnel.close()


def _report(resources: ClientHelloResources) -> None:
    gauges = (len(resources.handshakes), len(resources.connections), len(resources.contexts))
    resources.link.send(messages.Metrics(resources.counters.take(), gauges))


def _on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log_unexpected(context.get("exception"), str(context.get("message")))
