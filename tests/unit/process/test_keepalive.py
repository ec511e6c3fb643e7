"""Keepalive is on for TCP, and other sockets are left as they are."""

import socket

from shared.process.keepalive import keep_alive


def test_a_vanished_peer_is_noticed_after_20_seconds() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as peer:
        keep_alive(peer)

        idle, interval, probes = (
            peer.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert idle + interval * probes == 20


def test_a_unix_socket_is_left_as_it_is() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        keep_alive(ours)

        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
