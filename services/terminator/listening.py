"""Listening sockets that many processes hold, and how to stop listening without resetting a connection.

A connection in a socket's queue is established as far as its client knows, and closing the last copy of the socket
resets it. So a worker that stops listening first makes the kernel refuse new connections: a filter drops their SYN, the
client repeats it a second later, and then reaches another listener. The worker accepts what is queued, and closes the
socket when the queue is empty.
"""

import asyncio
import ctypes
import errno
import socket
import struct
from typing import Final

_SO_ATTACH_FILTER: Final = 26  # socket(7)
_SO_DETACH_FILTER: Final = 27
_TCP_INFO_QUEUED: Final = struct.Struct("24xI")  # tcp_info.tcpi_unacked: the queue's length
_QUIET_SECONDS: Final = 0.2  # for TCP handshakes that the kernel has already answered
_POLL_SECONDS: Final = 0.02

# Classic BPF (linux/filter.h) on a TCP segment: drop it when SYN is set and ACK is not.
_DROP_NEW: Final = (
    (0x30, 0, 0, 13),  # load byte 13, the flags
    (0x54, 0, 0, 0x12),  # and SYN | ACK
    (0x15, 0, 1, 0x02),  # if it is SYN ...
    (0x06, 0, 0, 0),  # ... keep nothing of it,
    (0x06, 0, 0, 0xFFFF_FFFF),  # else all
)


def refuse_new(listener: socket.socket) -> None:
    """Make the kernel drop new connections to *listener*; those in its queue stay."""
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_NEW)
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HL", len(_DROP_NEW), ctypes.addressof(buffer))  # struct sock_fprog
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)


def accept_new(listener: socket.socket) -> None:
    """Make the kernel accept new connections to *listener* again, after an earlier worker may have refused them."""
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
    except OSError as error:
        if error.errno != errno.ENOENT:  # no filter is attached
            raise


def queued(listener: socket.socket) -> int:
    """Return how many connections wait in the queue of *listener*."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_QUEUED.size)
    return int(_TCP_INFO_QUEUED.unpack(info)[0])


async def wait_until_empty(listener: socket.socket, *, seconds: float) -> None:
    """Wait until the queue of *listener*, which refuses new connections, is empty, but at most *seconds*."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + seconds
    await asyncio.sleep(_QUIET_SECONDS)
    while queued(listener) and loop.time() < limit:  # noqa: ASYNC110 - the kernel has no event for it
        await asyncio.sleep(_POLL_SECONDS)
