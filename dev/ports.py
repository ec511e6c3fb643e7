"""Free ports and loopback addresses, reserved until this process ends.

A port that was free a moment ago may be in use when a server binds it. So ports come from below the range that the
kernel uses for outgoing connections, and each is reserved: other runs on this machine skip it, even while the server is
down between a stop and a start. The reservation is the name of an abstract Unix socket, which the kernel gives to only
one process and frees when that process ends.
"""

import random
import socket
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOWEST_PORT: Final = 10_000
TRIES: Final = 1_000

_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_random: Final = random.SystemRandom()


def free_port() -> int:
    """Return a port that is free at every address, for TCP and UDP, and reserved while this process lives."""
    ceiling = min(int(_EPHEMERAL.read_text().split()[0]), 32_768)
    for _ in range(TRIES):
        port = _random.randrange(LOWEST_PORT, ceiling)
        if _is_free(port) and _claim(f"port {port}"):
            return port
    raise OSError(f"found no free port in {TRIES} tries between {LOWEST_PORT} and {ceiling}")


def free_address() -> str:
    """Return a loopback address that is reserved while this process lives.

    A CA connects to one port for all its validations. Responders that run side by side listen on that port, each at
    an address of its own.
    """
    for _ in range(TRIES):
        address = f"127.{_random.randrange(1, 255)}.{_random.randrange(256)}.{_random.randrange(1, 255)}"
        if _claim(f"address {address}"):
            return address
    raise OSError(f"found no free loopback address in {TRIES} tries")


def _claim(name: str) -> bool:
    """Reserve *name*; return False if another process has it."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0certsmith {name}")
    except OSError:
        claim.close()
        return False
    claim.detach()  # open until this process ends
    return True


def _is_free(port: int) -> bool:
    """Whether *port* can be bound at every address."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            # As servers do: connections in TIME_WAIT do not prevent the bind.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True
