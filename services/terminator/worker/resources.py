"""What all connections of a worker share."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.terminator.counters import Figures
from services.terminator.worker.connections import Connections
from services.terminator.worker.deadlines import Watch
from services.terminator.worker.link import ControlLink
from services.terminator.worker.tls.contexts import Contexts, Entry
from services.terminator.worker.tls.pending_handshakes import Unshown
from services.terminator.worker.tls.records import Buffers
from services.terminator.worker.upstream.dialling import Dialler

if TYPE_CHECKING:
    from services.terminator.worker.tls.tunnel import ClientSide


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Given to every protocol that faces a client or an upstream."""

    contexts: Contexts
    unshown: Unshown
    figures: Figures
    link: ControlLink
    dialler: Dialler
    default: Entry
    handshakes: Watch  # from accept until the handshake is done
    requests: Watch  # from accept, or the handshake, until a request that we answer ourselves is whole
    partings: Watch
    connections: Connections
    redirect_port: int
    tunnels: "set[ClientSide]" = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    buffers: Buffers = field(default_factory=Buffers)

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run *work*, which handles its own errors, beside everything else; ended with the worker."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
