"""`Records` behaves like the public methods of pyOpenSSL."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from services.terminator.worker.tls.records import READ_BYTES, Buffers, Records
from shared.tls import new_context
from tests.fakes.terminator_store import default_certificate

BUFFERS = Buffers()


def joined(highest: int = SSL.TLS1_3_VERSION) -> tuple[SSL.Connection, SSL.Connection]:
    """Return a client and a server that have shaken hands."""
    chain, key = default_certificate()
    client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client_context.set_max_proto_version(highest)
    client, server = SSL.Connection(client_context, None), SSL.Connection(new_context(chain, key), None)
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(3):
        for one, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            deliver(one, other)
    return client, server


def deliver(sender: SSL.Connection, receiver: SSL.Connection) -> None:
    try:
        while True:
            receiver.bio_write(sender.bio_read(READ_BYTES))
    except SSL.WantReadError:
        return


def feed(records: Records, data: bytes) -> None:
    BUFFERS.view[: len(data)] = data
    records.feed(len(data))


def received(client: SSL.Connection) -> bytes:
    parts = []
    try:
        while True:
            parts.append(client.recv(READ_BYTES))
    except SSL.WantReadError:
        return b"".join(parts)


@pytest.mark.parametrize("highest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@settings(deadline=None, max_examples=30)
@given(parts=st.lists(st.integers(1, READ_BYTES), max_size=4))
def test_both_directions_arrive_unchanged(highest: int, parts: list[int]) -> None:
    client, server = joined(highest)
    records = Records(server, BUFFERS)
    for size in parts:
        BUFFERS.view[:size] = bytes([size % 256]) * size
        client.bio_write(records.encrypt(size))
        assert received(client) == bytes([size % 256]) * size

        sent = bytes([size % 251]) * size
        view = memoryview(sent)
        while view:
            view = view[client.send(view) :]
        heard = b""
        while len(heard) < size:
            feed(records, client.bio_read(10_000))
            while (data := records.decrypt()) is not None:
                heard += data
        assert heard == sent


def test_bytes_that_the_handshake_read_are_decrypted_first() -> None:
    client, server = joined()
    client.send(b"early")
    deliver(client, server)

    assert Records(server, BUFFERS).decrypt() == b"early"


def test_close_notify_and_broken_records_are_different_errors() -> None:
    client, server = joined()
    records = Records(server, BUFFERS)
    client.shutdown()
    feed(records, client.bio_read(READ_BYTES))

    with pytest.raises(SSL.ZeroReturnError):
        records.decrypt()
    client.bio_write(records.close_notify())
    with pytest.raises(SSL.ZeroReturnError):
        client.recv(1)


def test_broken_records_raise_an_error_with_an_alert_for_their_own_connection_only() -> None:
    client, server = joined()
    records = Records(server, BUFFERS)
    feed(records, b"\x17\x03\x03\x00\x20" + b"n" * 32)

    with pytest.raises(SSL.Error, match="bad record mac"):
        records.decrypt()
    client.bio_write(records.take())
    with pytest.raises(SSL.Error, match="bad record mac"):
        client.recv(1)

    other_client, other_server = joined()
    assert Records(other_server, BUFFERS).decrypt() is None
    other_client.bio_write(Records(other_server, BUFFERS).encrypt_bytes(b"unharmed"))
    assert other_client.recv(100) == b"unharmed"
