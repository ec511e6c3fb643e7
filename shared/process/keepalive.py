"""TCP keepalive: a peer that vanished without closing its connection is noticed after about 20 seconds."""

import socket
from typing import Final

_OPTIONS: Final = (  # tcp(7): three probes, 5 s apart, after 5 s of silence; 20 s for data that is not acknowledged
    ("TCP_KEEPIDLE", 5),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 20_000),  # milliseconds
)


def keep_alive(peer: socket.socket) -> None:
    """Turn keepalive on for *peer*; a socket that is not TCP is left as it is."""
    if peer.family not in (socket.AF_INET, socket.AF_INET6):
        return
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _OPTIONS:
        if hasattr(socket, option):  # Linux has all of them
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
