"""The guard between the socket and the AMQP library."""

import asyncio
import struct

import aio_pika
import pamqp.frame
import pytest
from aiormq.abc import DeliveredMessage
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.events import MAX_BODY_BYTES
from shared.messaging.broker.frame_guard import UNREADABLE, GuardedReader

CHANNEL = 7


async def read_frames(data: bytes) -> list[pamqp.frame.FrameTypes]:
    """Return the frames in *data* as the library gets them, read in its own steps."""
    inner = asyncio.StreamReader()
    inner.feed_data(data)
    inner.feed_eof()
    reader = GuardedReader(inner)
    frames = []
    while not reader.at_eof():
        prefix = await reader.readexactly(1) + await reader.readexactly(6)
        _, _, size = struct.unpack(">BHI", prefix)
        frames.append(pamqp.frame.unmarshal(prefix + await reader.readexactly(size + 1))[2])
    return frames


def a_frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, CHANNEL, len(payload)) + payload + b"\xce"


def a_header(flags: int, properties: bytes, *, body_size: int) -> bytes:
    return a_frame(2, struct.pack(">HHQH", 60, 0, body_size, flags) + properties)


def a_body(data: bytes) -> bytes:
    return a_frame(3, data)


def a_table(pairs: bytes) -> bytes:
    return struct.pack(">I", len(pairs)) + pairs


def nested_tables(depth: int) -> bytes:
    table = a_table(b"")
    for _ in range(depth):
        table = a_table(b"\x01aF" + table)
    return table


async def test_frames_that_can_be_parsed_go_through_unchanged() -> None:
    header = ContentHeader(body_size=2, properties=Basic.Properties(content_type="application/json"))
    frames: list[pamqp.frame.FrameTypes] = [
        Basic.Deliver("tag", 1, exchange="exchange", routing_key="key"),
        header,
        ContentBody(b"{}"),
        Heartbeat(),
    ]

    read = await read_frames(b"".join(pamqp.frame.marshal(frame, CHANNEL) for frame in frames))

    assert [type(frame) for frame in read] == [Basic.Deliver, ContentHeader, ContentBody, Heartbeat]
    assert isinstance(read[1], ContentHeader)
    assert read[1].properties.content_type == "application/json"


@pytest.mark.parametrize(
    ("flags", "properties"),
    [
        (1 << 6, struct.pack(">Q", 2**64 - 1)),  # a time stamp beyond year 9999
        (1 << 15, b"\x02\xff\xfe"),  # a content type that is not UTF-8
        (1 << 13, a_table(b"\x02\xff\xfeS\x00\x00\x00\x01x")),  # a header name that is not UTF-8
        (1 << 13, a_table(b"\x01aT" + struct.pack(">Q", 2**64 - 1))),
        (1 << 13, a_table(b"\x01a?")),  # an unknown type
        (1 << 13, nested_tables(2000)),
        (0xFFFF, b""),
    ],
)
async def test_properties_that_cannot_be_parsed_are_replaced_by_a_mark(flags: int, properties: bytes) -> None:
    read = await read_frames(a_header(flags, properties, body_size=2) + a_body(b"{}"))

    assert isinstance(read[0], ContentHeader)
    assert read[0].properties.headers == {UNREADABLE: True}
    assert read[0].body_size == 2
    assert isinstance(read[1], ContentBody)


@given(st.binary(max_size=300))
@example(struct.pack(">HB", 1 << 12, 7))  # a delivery mode that AMQP does not know
@example(struct.pack(">H", 1 << 8) + b"\x04soon")  # an expiration that is not a number
@example(struct.pack(">H", 1 << 8) + b"\x00")
def test_no_content_header_stops_the_library(payload: bytes) -> None:
    data = a_frame(2, struct.pack(">HHQ", 60, 0, 2) + payload) + a_body(b"{}")

    read = asyncio.run(read_frames(data))

    assert [type(frame) for frame in read] == [ContentHeader, ContentBody]
    assert isinstance(read[0], ContentHeader)
    delivered = DeliveredMessage(delivery=Basic.Deliver("tag", 1), header=read[0], body=b"{}", channel=None)  # type: ignore[arg-type]  # not asked
    assert aio_pika.IncomingMessage(delivered).body == b"{}"


async def test_values_that_the_message_object_does_not_know_are_removed_and_nothing_else() -> None:
    flags = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 8  # content type, headers, delivery mode, expiration
    properties = b"\x10application/json" + a_table(b"\x01ab\x01") + b"\x07" + b"\x04soon"

    (read,) = await read_frames(a_header(flags, properties, body_size=2))

    assert isinstance(read, ContentHeader)
    assert (read.properties.delivery_mode, read.properties.expiration) == (None, None)
    assert (read.body_size, read.properties.content_type, read.properties.headers) == (2, "application/json", {"a": 1})


async def test_a_routing_key_that_is_not_utf8_becomes_readable() -> None:
    good = pamqp.frame.marshal(
        Basic.Deliver("tag", 9, redelivered=True, exchange="certsmith.public", routing_key="k\x7fy"), CHANNEL
    )

    read = await read_frames(good.replace(b"k\x7fy", b"k\xffy"))

    assert isinstance(read[0], Basic.Deliver)
    assert (read[0].delivery_tag, read[0].redelivered, read[0].routing_key) == (9, True, "k?y")


async def test_a_body_that_is_too_large_is_cut_after_the_limit() -> None:
    pieces = [b"x" * 131_000] * 20

    read = await read_frames(a_header(0, b"", body_size=20 * 131_000) + b"".join(map(a_body, pieces)))

    header, *bodies = read
    assert isinstance(header, ContentHeader)
    assert header.body_size == MAX_BODY_BYTES + 1
    assert sum(len(body.value) for body in bodies if isinstance(body, ContentBody)) == MAX_BODY_BYTES + 1
    assert isinstance(bodies[-1], Heartbeat)  # the rest is shown to the library as heartbeats


async def test_after_a_body_that_was_cut_the_next_message_is_whole() -> None:
    large = a_header(0, b"", body_size=10 * 131_000) + b"".join(a_body(b"x" * 131_000) for _ in range(10))

    read = await read_frames(large + a_header(0, b"", body_size=2) + a_body(b"{}"))

    assert isinstance(read[-1], ContentBody)
    assert read[-1].value == b"{}"


async def test_a_broker_of_another_version_is_recognised() -> None:
    inner = asyncio.StreamReader()
    inner.feed_data(b"AMQP\x00\x00\x09\x01")
    inner.feed_eof()

    assert await GuardedReader(inner).readexactly(7) == b"AMQP\x00\x00\x09"


async def test_an_end_inside_a_frame_is_an_error() -> None:
    inner = asyncio.StreamReader()
    inner.feed_data(b"\x01\x00")
    inner.feed_eof()

    with pytest.raises(asyncio.IncompleteReadError):
        await GuardedReader(inner).readexactly(1)
