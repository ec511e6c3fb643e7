"""A guard between the socket and the AMQP library, because whoever may publish chooses the bytes that we must parse.

The library closes the connection at the first frame that it cannot parse: a time stamp beyond year 9999, a header name
that is not UTF-8, a table nested a thousand deep. The broker passes all these on, delivers the message again on the
next connection, and counts one more delivery for every innocent message that was prefetched beside it. It passes on
bodies of 128 MiB too, times the prefetch.

So each content header is tried first. One that cannot be parsed is replaced by an empty one with the mark
`UNREADABLE`; a body is cut behind `MAX_BODY_BYTES`, one byte longer than what is accepted, so that its reader sees that
it is too large. Everything else goes through unchanged.
"""

import struct
import time
from asyncio import StreamReader
from contextlib import suppress
from typing import Final

import pamqp.frame
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.events import MAX_BODY_BYTES

UNREADABLE: Final = "certsmith-unreadable-properties"

_METHOD, _HEADER, _BODY = 1, 2, 3  # AMQP 0-9-1 section 4.2.3: frame types
_PREFIX: Final = struct.Struct(">BHI")  # type, channel, size of the payload
_CONTENT: Final = struct.Struct(">HHQ")  # class, weight, size of the body
_END: Final = b"\xce"
_HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00" + _END
_DELIVER: Final = struct.pack(">HH", 60, 60)  # basic.deliver
_DELIVERY_MODES: Final = (None, 0, 1, 2)  # AMQP 0-9-1 defines 1 and 2; the message object reads 0 as none
_GREETING: Final = b"AMQP"  # a broker that speaks another version answers with its own greeting, which is no frame


class GuardedReader:
    """Gives the frames of *reader* to the library, made harmless."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._ready = bytearray()
        self._wanted: dict[int, int] = {}  # channel -> bytes of the present body that are still let through
        self.heard_at = time.monotonic()
        """When the last frame came, heartbeats included."""

    def at_eof(self) -> bool:
        """Say whether nothing more will come."""
        return not self._ready and self._reader.at_eof()

    async def read(self, n: int = -1) -> bytes:
        """Return what is left in the buffer; the library calls it only to show what it could not parse."""
        taken = bytes(self._ready[: n if n >= 0 else None])
        del self._ready[: len(taken)]
        return taken

    async def readexactly(self, n: int) -> bytes:
        """Return the next *n* bytes.

        Raises:
            asyncio.IncompleteReadError: the connection ended before.
        """
        while len(self._ready) < n:
            await self._read_frame()
        taken = bytes(self._ready[:n])
        del self._ready[:n]
        return taken

    async def _read_frame(self) -> None:
        prefix = await self._reader.readexactly(_PREFIX.size)
        if prefix.startswith(_GREETING):
            self._ready += prefix
            return
        self.heard_at = time.monotonic()
        kind, channel, size = _PREFIX.unpack(prefix)
        payload: bytes | None = await self._reader.readexactly(size)
        end = await self._reader.readexactly(1)
        if kind == _HEADER:
            payload = self._header(channel, payload or b"")
        elif kind == _BODY:
            payload = self._body(channel, payload or b"")
        elif kind == _METHOD and (payload or b"").startswith(_DELIVER):
            payload = _deliver(payload or b"")
        if payload is None:  # left out; but a slow link that carries a large body is not a dead one
            self._ready += _HEARTBEAT
        else:
            self._ready += _PREFIX.pack(kind, channel, len(payload)) + payload + end

    def _header(self, channel: int, payload: bytes) -> bytes:
        class_id, weight, size = _CONTENT.unpack_from(payload)
        self._wanted[channel] = kept = min(size, MAX_BODY_BYTES + 1)
        try:
            header = _parsed(_HEADER, payload)
            assert isinstance(header, ContentHeader)
            if _without_odd_values(header.properties):
                return _CONTENT.pack(class_id, weight, kept) + header.marshal()[_CONTENT.size :]
        except Exception:  # noqa: BLE001 - RecursionError included: the library would raise the same again
            properties = Basic.Properties(headers={UNREADABLE: True})
            return ContentHeader(body_size=kept, properties=properties).marshal()
        return _CONTENT.pack(class_id, weight, kept) + payload[_CONTENT.size :]

    def _body(self, channel: int, payload: bytes) -> bytes | None:
        wanted = self._wanted.get(channel, 0)
        self._wanted[channel] = max(0, wanted - len(payload))
        return payload[:wanted] or None


def _parsed(kind: int, payload: bytes) -> pamqp.frame.FrameTypes:
    """Return the frame of *payload*, as the library will parse it."""
    return pamqp.frame.unmarshal(_PREFIX.pack(kind, 0, len(payload)) + payload + _END)[2]


def _without_odd_values(properties: Basic.Properties) -> bool:
    """Remove the values that aio-pika's message object raises an error for; return whether there were any.

    It raises in the consumer's task, after which the message would stay unanswered until the connection ends. RabbitMQ
    3.10 refuses such values from an AMQP publisher; whether other releases and protocols do is not known.
    """
    has_odd = False
    if properties.delivery_mode not in _DELIVERY_MODES:
        properties.delivery_mode, has_odd = None, True
    if properties.expiration is not None and not properties.expiration.isdecimal():
        properties.expiration, has_odd = None, True
    return has_odd


def _deliver(payload: bytes) -> bytes:
    """Return a basic.deliver whose names can be parsed: the publisher chooses the bytes of the routing key."""
    with suppress(Exception):
        _parsed(_METHOD, payload)
        return payload
    tag_end = 5 + payload[4]  # consumer tag, a short string
    fixed_end = tag_end + 9  # delivery tag, eight bytes; redelivered, a bit
    return payload[:fixed_end] + _ascii_strings(payload[fixed_end:])


def _ascii_strings(data: bytes) -> bytes:
    """Return short strings one after another with a question mark for each byte that is not ASCII."""
    out = bytearray()
    while data:
        length = data[0]
        out.append(length)
        out += bytes(byte if byte < 0x80 else 0x3F for byte in data[1 : 1 + length])  # noqa: PLR2004 - ASCII ends there
        data = data[1 + length :]
    return bytes(out)
