"""A guard between the socket and the AMQP library, because publishers choose the bytes that consumers must parse.

The library closes the connection at the first frame that it cannot parse: a time stamp beyond year 9999, a header name
that is not UTF-8, a table nested a thousand deep. The broker passes all these on, delivers the message again on the
next connection, and counts one more delivery for every innocent message that was prefetched together with it. It passes
on bodies of 128 MiB too, times the prefetch.

So each content header is parsed here first. One that cannot be parsed is replaced by an empty one with the mark
`UNREADABLE`; a body is cut after `MAX_BODY_BYTES` and one more byte, so that the codec sees that it is too large. All
other frames go through unchanged.
"""

import struct
import time
from asyncio import IncompleteReadError, StreamReader
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
_CHUNK: Final = 65536  # bytes read from the socket at a time
_HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00" + _END
_DELIVER: Final = struct.pack(">HH", 60, 60)  # basic.deliver
_DELIVERY_MODES: Final = (None, 0, 1, 2)  # AMQP 0-9-1 defines 1 and 2; the message object reads 0 as none
_GREETING: Final = b"AMQP"  # a broker of another version answers with its own greeting, which is not a frame


class GuardedReader:
    """Gives the frames of *reader* to the library, made harmless.

    It replaces the `asyncio.StreamReader` that the library expects, with the three methods that the library calls.
    """

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._received = bytearray()  # the beginning of a frame whose end has not arrived
        self._ready = bytearray()  # whole frames, for the library
        self._wanted: dict[int, int] = {}  # channel -> bytes of the present body that are still let through
        self.heard_at = time.monotonic()
        """When the last bytes arrived, heartbeats included."""

    def at_eof(self) -> bool:
        """Return whether nothing more will come."""
        return not self._ready and not self._received and self._reader.at_eof()

    async def read(self, n: int = -1) -> bytes:
        """Return what is left in the buffer; the library calls it only to show what it could not parse."""
        return self._next(n if n >= 0 else len(self._ready))

    async def readexactly(self, n: int) -> bytes:
        """Return the next *n* bytes.

        Raises:
            asyncio.IncompleteReadError: the connection ended before.
        """
        while len(self._ready) < n:
            data = await self._reader.read(_CHUNK)
            if not data:
                raise IncompleteReadError(bytes(self._ready), n)
            self.heard_at = time.monotonic()
            self._received += data
            self._release()
        return self._next(n)

    def _next(self, n: int) -> bytes:
        data = bytes(self._ready[:n])
        del self._ready[:n]
        return data

    def _release(self) -> None:
        """Move the whole frames among the received bytes, made harmless, to where the library reads."""
        received = self._received
        start = len(received) if received.startswith(_GREETING) else 0
        self._ready += received[:start]
        while len(received) - start >= _PREFIX.size:
            kind, channel, size = _PREFIX.unpack_from(received, start)
            end = start + _PREFIX.size + size + 1
            if len(received) < end:
                break
            self._ready += self._harmless(bytes(received[start:end]), kind, channel)
            start = end
        del received[:start]

    def _harmless(self, frame: bytes, kind: int, channel: int) -> bytes:
        payload = frame[_PREFIX.size : -1]
        if kind == _HEADER:
            safe = self._header(channel, payload)
        elif kind == _BODY:
            safe = self._body(channel, payload)
            if not safe:  # left out; a heartbeat shows that a slow link which carries a large body is not dead
                return _HEARTBEAT
        elif kind == _METHOD and payload.startswith(_DELIVER):
            safe = _deliver(payload)
        else:
            return frame
        return frame if safe is payload else _PREFIX.pack(kind, channel, len(safe)) + safe + frame[-1:]

    def _header(self, channel: int, payload: bytes) -> bytes:
        class_id, weight, size = _CONTENT.unpack_from(payload)
        self._wanted[channel] = kept = min(size, MAX_BODY_BYTES + 1)
        try:
            header = ContentHeader()
            header.unmarshal(payload)  # as the library will
            has_odd_values = _remove_odd_values(header.properties)
            rest = header.marshal() if has_odd_values else payload
        except Exception:  # noqa: BLE001 - RecursionError included: the library would raise the same again
            properties = Basic.Properties(headers={UNREADABLE: True})
            return ContentHeader(body_size=kept, properties=properties).marshal()
        if rest is payload and kept == size:
            return payload
        return _CONTENT.pack(class_id, weight, kept) + rest[_CONTENT.size :]

    def _body(self, channel: int, payload: bytes) -> bytes:
        wanted = self._wanted.get(channel, 0)
        self._wanted[channel] = max(0, wanted - len(payload))
        return payload if len(payload) <= wanted else payload[:wanted]


def _remove_odd_values(properties: Basic.Properties) -> bool:
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
    tag_end = 5 + payload[4]  # consumer tag, a short string
    fixed_end = tag_end + 9  # delivery tag, eight bytes; redelivered, a bit
    names = payload[fixed_end:]  # exchange and routing key, two short strings
    if names.isascii():
        return payload
    with suppress(Exception):
        pamqp.frame.unmarshal(_PREFIX.pack(_METHOD, 0, len(payload)) + payload + _END)
        return payload
    return payload[:fixed_end] + _ascii_strings(names)


def _ascii_strings(data: bytes) -> bytes:
    """Return short strings one after another with a question mark for each byte that is not ASCII."""
    out = bytearray()
    while data:
        length = data[0]
        out.append(length)
        out += bytes(byte if byte < 0x80 else 0x3F for byte in data[1 : 1 + length])  # noqa: PLR2004 - ASCII ends there
        data = data[1 + length :]
    return bytes(out)
