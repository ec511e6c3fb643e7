"""The listening sockets: one for each port and worker slot, opened once, passed to each worker of the slot in turn.

The kernel spreads connections over the sockets of a port (SO_REUSEPORT). Closing one of them resets the connections in
its queue (measured: 96 of 200). So while a worker is being replaced, its sockets stay open here, and its successor
accepts what is queued in them.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from shared.errors import SettingsError

BACKLOG: Final = 4096
_KEEPALIVE: Final = (  # tcp(7): peers that vanished without a word are noticed after two minutes; inherited by accept
    (socket.TCP_KEEPIDLE, 60),
    (socket.TCP_KEEPINTVL, 20),
    (socket.TCP_KEEPCNT, 3),
)


@dataclass(frozen=True, slots=True)
class Slot:
    """The two listening sockets that one worker at a time has."""

    https: socket.socket
    http: socket.socket

    def close(self) -> None:
        """Close the control process's copies."""
        self.https.close()
        self.http.close()


@contextmanager
def open_slots(count: int, *, https: tuple[str, int], http: tuple[str, int]) -> Iterator[tuple[Slot, ...]]:
    """Listen on the addresses *https* and *http* for *count* workers, while the block runs.

    Port 0 stands for any free port, the same for all workers.

    Raises:
        SettingsError: an address cannot be listened on.
    """
    with ExitStack() as stack:
        ports = [
            _open_port(stack, count, address, port, setting)
            for (address, port), setting in ((https, "TERMINATOR_HTTPS"), (http, "TERMINATOR_HTTP"))
        ]
        yield tuple(Slot(*pair) for pair in zip(*ports, strict=True))


def port_of(listener: socket.socket) -> int:
    """Return the port on which *listener* listens."""
    port: int = listener.getsockname()[1]
    return port


def _open_port(stack: ExitStack, count: int, address: str, port: int, setting: str) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    for _ in range(count):
        try:
            listener = stack.enter_context(_listen(address, port))
        except OSError as error:
            raise SettingsError(
                f"{setting}_ADDRESS, {setting}_PORT: cannot listen on {address} port {port}: {error.strerror or error}"
            ) from None
        listeners.append(listener)
        port = port_of(listener)
    return listeners


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)  # noqa: FBT003 - the standard library's
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
        if listener.family == socket.AF_INET6:  # "::" accepts IPv4 too
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
