"""A message arrives as it was sent, or its frame is refused."""

import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.terminator import messages as wire
from shared.process.ipc import MAX_FRAME_BYTES, FrameError, Frames, Message, encode, receive

U64 = st.integers(0, 2**64 - 1)
BLOBS = st.binary(max_size=50)
MESSAGES = st.one_of(
    st.builds(wire.Serve, number=U64, domain=st.text(), chain=st.lists(BLOBS).map(tuple), key=BLOBS, upstream=st.text(),
              lowest_version=U64, highest_version=U64, seconds=st.floats(allow_nan=False)),
    st.builds(wire.UnknownName, U64, st.floats(allow_nan=False)),
    st.builds(wire.Drop, U64, st.text()),
    st.builds(wire.Refuse, U64),
)  # fmt: skip


@given(st.lists(MESSAGES, max_size=5), st.sets(st.integers(1, 600)))
def test_messages_arrive_as_they_were_sent_however_the_stream_is_cut(messages: list[Message], cuts: set[int]) -> None:
    stream = b"".join(map(encode, messages))
    frames = Frames(wire.FROM_CONTROL)
    received: list[Message] = []
    at = 0
    for cut in [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]:
        received += frames.feed(stream[at:cut])
        at = cut

    assert received == messages


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_refused(data: bytes) -> None:
    try:
        Frames(wire.FROM_WORKER).feed(data)
    except FrameError:
        return


@given(MESSAGES, st.data())
def test_a_frame_with_any_byte_changed_is_a_message_or_refused(message: Message, data: st.DataObject) -> None:
    frame = bytearray(encode(message))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        Frames(wire.FROM_CONTROL).feed(bytes(frame))
    except FrameError:
        return


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!IB", 8, wire.Serve.KIND),  # a worker serves nothing
        struct.pack("!IB", 0, 99),
        struct.pack("!IB", MAX_FRAME_BYTES + 1, wire.Ask.KIND),
        struct.pack("!IB", 1, wire.Ready.KIND) + b"x",
        struct.pack("!IBQ", 8, wire.Ask.KIND, 1),
        struct.pack("!IBQI", 12, wire.Ask.KIND, 1, 5),
        struct.pack("!IBQI2s", 14, wire.Ask.KIND, 1, 2, b"\xff\xff"),
        struct.pack("!IBI", 4, wire.Metrics.KIND, 0xFFFFFFFF),
    ],
)
def test_bytes_that_no_worker_sends_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        Frames(wire.FROM_WORKER).feed(data)


def test_no_repr_shows_a_key() -> None:
    serve = wire.Serve(number=1, domain="a.example", chain=(), key=b"secret", upstream="", lowest_version=0,
                       highest_version=0, seconds=1.0)  # fmt: skip

    assert "secret" not in repr(serve)


def test_receive_reads_one_message_from_a_blocking_socket_and_leaves_the_next() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = encode(wire.Drop(1, "a.example")) + encode(wire.Drain(2.0))
        sending = threading.Thread(target=lambda: [ours.send(sent[at : at + 1]) for at in range(len(sent))])
        sending.start()

        first = receive(theirs, wire.FROM_CONTROL)
        sending.join()

        assert first == wire.Drop(1, "a.example")
        assert receive(theirs, wire.FROM_CONTROL) == wire.Drain(2.0)
        ours.close()
        assert receive(theirs, wire.FROM_CONTROL) is None
