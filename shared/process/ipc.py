"""Messages between two processes of one service that need not trust each other: dataclasses, sent as frames.

A frame is four bytes of length, one byte of kind, and the fields in the order of the message's class. Integers and
floats take eight bytes; four bytes of length precede texts and bytes, four bytes of count precede the items of a tuple,
and a dataclass inside another is written as its fields. There are no other types, no field is optional, and no frame
can make its reader run code.
"""

import dataclasses
import socket
import struct
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeVar, get_args, get_origin, get_type_hints

from shared.errors import PermanentError

MAX_FRAME_BYTES: Final = 1 << 20

_HEADER: Final = struct.Struct("!IB")
_INT: Final = struct.Struct("!Q")
_FLOAT: Final = struct.Struct("!d")
_LENGTH: Final = struct.Struct("!I")


class FrameError(PermanentError):
    """The other side sent bytes that are not a valid frame."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A dataclass of integers, floats, texts, bytes, other dataclasses, and tuples of them."""

    KIND: ClassVar[int]


def encode(message: Message) -> bytes:
    """Return *message* as a frame."""
    parts: list[bytes] = []
    _pack_fields(parts, message)
    payload = b"".join(parts)
    return _HEADER.pack(len(payload), message.KIND) + payload


def receive(connection: socket.socket, classes: Mapping[int, type[Message]]) -> Message | None:
    """Wait for one message on the blocking socket *connection*; return None when the other side has closed it.

    Raises:
        FrameError: as for `Frames.feed`.
    """
    frames = Frames(classes)
    missing = _HEADER.size
    while data := connection.recv(missing, socket.MSG_WAITALL):
        for message in frames.feed(data):
            return message
        missing = frames.missing
    return None


class Frames:
    """Cuts a stream of bytes into messages; *classes* are the accepted ones, by kind."""

    __slots__ = ("_classes", "_rest", "missing")

    def __init__(self, classes: Mapping[int, type[Message]]) -> None:
        self._classes = classes
        self._rest = bytearray()
        self.missing = _HEADER.size  # bytes until the next message may be whole

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that *data* completes.

        Raises:
            FrameError: a frame is of no accepted kind, too large, or malformed.
        """
        self._rest += data
        messages: list[Message] = []
        at = 0
        while len(self._rest) - at >= _HEADER.size:
            length, kind = _HEADER.unpack_from(self._rest, at)
            cls = self._classes.get(kind)
            if cls is None or length > MAX_FRAME_BYTES:
                raise FrameError(f"a frame of kind {kind} with {length} bytes")
            end = at + _HEADER.size + length
            if end > len(self._rest):
                self.missing = end - len(self._rest)
                break
            messages.append(_decode(cls, bytes(self._rest[at + _HEADER.size : end])))
            at = end
        del self._rest[:at]
        return messages


def _decode(cls: type[Message], payload: bytes) -> Message:
    try:
        message, at = _unpack_fields(payload, 0, cls)
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError(f"a malformed {cls.__name__}: {error}") from None
    if at != len(payload):
        raise FrameError(f"a malformed {cls.__name__}: {len(payload) - at} bytes too many")
    return message


_D = TypeVar("_D")
_known: Final[dict[type, tuple[tuple[str, object], ...]]] = {}


def _fields(cls: type[Any]) -> tuple[tuple[str, object], ...]:
    """Return the names and types of the fields of *cls*, in order."""
    if cls not in _known:
        hints = get_type_hints(cls)
        _known[cls] = tuple((field.name, hints[field.name]) for field in dataclasses.fields(cls))
    return _known[cls]


def _pack_fields(parts: list[bytes], value: object) -> None:
    for name, hint in _fields(type(value)):
        _pack(parts, hint, getattr(value, name))


def _unpack_fields(payload: bytes, at: int, cls: type[_D]) -> tuple[_D, int]:
    values: dict[str, object] = {}
    for name, hint in _fields(cls):
        values[name], at = _unpack(payload, at, hint)
    return cls(**values), at


def _pack(parts: list[bytes], hint: object, value: Any) -> None:  # noqa: ANN401 - the hint says its type
    if hint is int:
        parts.append(_INT.pack(value))
    elif hint is float:
        parts.append(_FLOAT.pack(value))
    elif get_origin(hint) is tuple:
        parts.append(_LENGTH.pack(len(value)))
        for item in value:
            _pack(parts, get_args(hint)[0], item)
    elif dataclasses.is_dataclass(hint):
        _pack_fields(parts, value)
    else:
        data = value.encode() if hint is str else value
        parts += (_LENGTH.pack(len(data)), data)


def _unpack(payload: bytes, at: int, hint: Any) -> tuple[object, int]:  # noqa: ANN401 - a type, or a generic alias
    """Return the value of type *hint* that begins at *at*, and where it ends."""
    if hint is int:
        return _INT.unpack_from(payload, at)[0], at + _INT.size
    if hint is float:
        return _FLOAT.unpack_from(payload, at)[0], at + _FLOAT.size
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _unpack_fields(payload, at, hint)
    length = _LENGTH.unpack_from(payload, at)[0]
    at += _LENGTH.size
    if get_origin(hint) is tuple:
        items = []
        for _ in range(length):  # each item uses bytes of the payload, so a false count ends early
            item, at = _unpack(payload, at, get_args(hint)[0])
            items.append(item)
        return tuple(items), at
    data = payload[at : at + length]
    if len(data) != length:
        raise FrameError(f"{length} bytes were announced, {len(data)} arrived")
    return (data.decode() if hint is str else data), at + length
