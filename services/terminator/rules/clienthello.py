"""The ClientHello, parsed before any TLS object exists (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2).

The name in this message decides the certificate, the policy and the upstream. So it is parsed first, and the TLS
connection is made with the right context from the start. OpenSSL then gets the bytes unchanged.

Rules:

* The reader accepts bytes in any portions, and the message in any records: both may split it at every byte.
* The message has at most 16 KiB. Each record adds at least one byte of it to its header of five, so the bytes that are
  kept are at most six times the message, and one record.
* What OpenSSL would refuse later is refused here with the same alert, before any cryptography is spent on it.
* A name is returned in the form that the store has: lower case, no trailing dot, A-labels. Anything that cannot be a
  host name (an IP address, which RFC 6066 section 3 forbids; other characters) counts as no name: no domain matches it.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final

from services.terminator.rules.alerts import Alert, HelloError, PlainHttpError

MAX_HELLO_BYTES: Final = 16_384

_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_MAX_RECORD: Final = 16_384  # RFC 8446 section 5.1: the length MUST NOT exceed 2^14 bytes
_HANDSHAKE: Final = 22
_MAJOR_VERSION: Final = 3
_CLIENT_HELLO: Final = 1

_TLS12: Final = 0x0303
_TLS13: Final = 0x0304
_VERSION_AND_RANDOM: Final = 34
_MAX_SESSION_ID: Final = 32

_EXTENSION_HEADER: Final = struct.Struct("!HH")  # kind, length
_SERVER_NAME: Final = 0
_ALPN: Final = 16
_SUPPORTED_VERSIONS: Final = 43
_HOST_NAME: Final = 0
_MAX_HOST_NAME: Final = 255  # OpenSSL's limit

# Letters, digits, hyphens; underscores too, which a wildcard may cover. A last label of digits only is an address.
_NAME: Final = re.compile(
    rb"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?=[^.]*[^0-9.])[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello:
    """What a client asks for. *server_name* is None when it sent no name, or one that cannot be a host name."""

    server_name: str | None
    alpn: tuple[bytes, ...] = ()


def host_name(text: bytes) -> str | None:
    """Return *text* in lower case, as the store spells names; None if it is not a host name."""
    lowered = text.lower()
    match = _NAME.fullmatch(lowered[:-1] if lowered.endswith(b".") else lowered)
    return match[0].decode("ascii") if match else None


class HelloReader:
    """Collects a client's first bytes until they hold a whole ClientHello; *kept* has all of them, unchanged."""

    __slots__ = ("_at", "_message", "kept")

    def __init__(self) -> None:
        self.kept = bytearray()
        self._at = 0  # offset in `kept` of the next record
        self._message = bytearray()

    def feed(self, data: bytes | memoryview) -> ClientHello | None:
        """Return the ClientHello when *data* completes it, None while more is needed.

        Raises:
            HelloError: it is not a ClientHello, or not an acceptable one.
            PlainHttpError: the client sent plain HTTP.
        """
        self.kept += data
        while True:
            fragment = self._next_fragment()
            if fragment is None:
                return None
            self._message += fragment
            if (body := self._whole_body()) is not None:
                return parse(body)

    def _next_fragment(self) -> bytes | None:
        """Return the content of the next record, None while the record is incomplete."""
        header = self.kept[self._at : self._at + _RECORD_HEADER]
        _check_record(header, first=self._at == 0)
        if len(header) < _RECORD_HEADER:
            return None
        start = self._at + _RECORD_HEADER
        end = start + int.from_bytes(header[3:])
        if end > len(self.kept):
            return None
        self._at = end
        return bytes(self.kept[start:end])

    def _whole_body(self) -> bytes | None:
        """Return the body of the ClientHello, None while it is incomplete."""
        if self._message[0] != _CLIENT_HELLO:
            raise HelloError(Alert.UNEXPECTED_MESSAGE, f"a ClientHello was expected, not message {self._message[0]}")
        if len(self._message) < _MESSAGE_HEADER:
            return None
        length = int.from_bytes(self._message[1:_MESSAGE_HEADER])
        if length > MAX_HELLO_BYTES:
            raise HelloError(Alert.ILLEGAL_PARAMETER, f"a ClientHello of {length} bytes; at most {MAX_HELLO_BYTES}")
        if len(self._message) < _MESSAGE_HEADER + length:
            return None
        return bytes(self._message[_MESSAGE_HEADER : _MESSAGE_HEADER + length])


def _check_record(header: bytes | bytearray, *, first: bool) -> None:
    """Refuse a *header* that cannot belong to a record of a ClientHello, as early as its bytes allow."""
    if not header:
        return
    if header[0] != _HANDSHAKE:
        if first and chr(header[0]).isupper():
            raise PlainHttpError("the client sent plain HTTP to the port for TLS")
        raise HelloError(Alert.UNEXPECTED_MESSAGE, f"a record of type 22 was expected, not {header[0]}")
    if len(header) > 1 and header[1] != _MAJOR_VERSION:
        raise HelloError(Alert.PROTOCOL_VERSION, f"a record of major version {header[1]}")
    if len(header) == _RECORD_HEADER and not 1 <= int.from_bytes(header[3:]) <= _MAX_RECORD:
        # RFC 8446 section 5.1: no empty fragments of handshake types
        raise HelloError(Alert.DECODE_ERROR, f"a record of {int.from_bytes(header[3:])} bytes")


def parse(body: bytes) -> ClientHello:
    """Return what the *body* of a ClientHello asks for.

    Raises:
        HelloError: it is malformed, has an extension twice, or offers neither TLS 1.2 nor TLS 1.3.
    """
    if len(body) < _VERSION_AND_RANDOM:
        raise _malformed("the message ends early")
    session_id, at = _vector(body, _VERSION_AND_RANDOM, 1)
    ciphers, at = _vector(body, at, 2)
    compressions, at = _vector(body, at, 1)
    if len(session_id) > _MAX_SESSION_ID or not ciphers or len(ciphers) % 2 or not compressions:
        raise _malformed("session id, cipher suites or compression methods have an impossible length")
    extensions = _extensions(body, at)
    _check_version(int.from_bytes(body[:2]), extensions.get(_SUPPORTED_VERSIONS))
    return ClientHello(server_name=_server_name(extensions.get(_SERVER_NAME)), alpn=_protocols(extensions.get(_ALPN)))


def _extensions(body: bytes, at: int) -> dict[int, bytes]:
    if at == len(body):  # RFC 5246 section 7.4.1.2: a client may send none
        return {}
    block, end = _vector(body, at, 2)
    if end != len(body):
        raise _malformed("bytes follow the extensions")
    found: dict[int, bytes] = {}
    at = 0
    while at < len(block):
        start = at + _EXTENSION_HEADER.size
        if start > len(block):
            raise _malformed("an extension ends early")
        kind, length = _EXTENSION_HEADER.unpack_from(block, at)
        at = start + length
        if at > len(block):
            raise _malformed("an extension ends early")
        if kind in found:  # RFC 8446 section 4.2
            raise HelloError(Alert.ILLEGAL_PARAMETER, f"extension {kind} appears twice")
        found[kind] = block[start:at]
    return found


def _check_version(legacy: int, supported: bytes | None) -> None:
    """Refuse a client that offers neither TLS 1.2 nor TLS 1.3."""
    if supported is None:
        spoken = legacy >= _TLS12
    else:
        versions, end = _vector(supported, 0, 1)
        if end != len(supported) or not versions or len(versions) % 2:
            raise _malformed("the list of versions has an impossible length")
        pairs = range(0, len(versions), 2)
        spoken = any(int.from_bytes(versions[at : at + 2]) in (_TLS12, _TLS13) for at in pairs)
    if not spoken:
        raise HelloError(Alert.PROTOCOL_VERSION, "the client offers neither TLS 1.2 nor TLS 1.3")


def _server_name(extension: bytes | None) -> str | None:
    """Return the host in the server_name extension (RFC 6066 section 3)."""
    if extension is None:
        return None
    names, end = _vector(extension, 0, 2)
    if end != len(extension) or not names or names[0] != _HOST_NAME:
        raise _malformed("the list of server names is malformed")
    name, end = _vector(names, 1, 2)
    if not name:
        raise _malformed("the server name is empty")
    if end != len(names):  # "MUST NOT contain more than one name of the same name_type"
        raise HelloError(Alert.ILLEGAL_PARAMETER, "more than one server name")
    if len(name) > _MAX_HOST_NAME or 0 in name:
        raise HelloError(Alert.UNRECOGNIZED_NAME, "a server name that is too long or contains a NUL")
    return host_name(name)


def _protocols(extension: bytes | None) -> tuple[bytes, ...]:
    """Return the protocols in the ALPN extension (RFC 7301 section 3.1)."""
    if extension is None:
        return ()
    listed, end = _vector(extension, 0, 2)
    if end != len(extension) or not listed:
        raise _malformed("the list of application protocols is malformed")
    protocols: list[bytes] = []
    at = 0
    while at < len(listed):
        protocol, at = _vector(listed, at, 1)
        if not protocol:
            raise _malformed("an application protocol is empty")
        protocols.append(protocol)
    return tuple(protocols)


def _vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """Return the vector at *at*, which starts with its length in *width* bytes, and the offset of its end."""
    start = at + width
    end = start + int.from_bytes(data[at:start])
    if start > len(data) or end > len(data):
        raise _malformed("a length points past the end")
    return data[start:end], end


def _malformed(what: str) -> HelloError:
    return HelloError(Alert.DECODE_ERROR, f"the ClientHello is malformed: {what}")
