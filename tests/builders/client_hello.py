"""Builds ClientHellos, whole and broken, byte by byte as RFC 8446 section 4.1.2 lays them out."""

from collections.abc import Iterable, Sequence

TLS12 = 0x0303
SERVER_NAME, ALPN, SUPPORTED_VERSIONS = 0, 16, 43


def vector(data: bytes, width: int) -> bytes:
    """Return *data* after its length, which has *width* bytes."""
    return len(data).to_bytes(width) + data


def extension(kind: int, value: bytes) -> bytes:
    """Return an extension."""
    return kind.to_bytes(2) + vector(value, 2)


def server_name(*names: bytes) -> bytes:
    """Return the extension that names hosts."""
    return extension(SERVER_NAME, vector(b"".join(b"\x00" + vector(name, 2) for name in names), 2))


def alpn(*protocols: bytes) -> bytes:
    """Return the extension that offers application protocols."""
    return extension(ALPN, vector(b"".join(vector(protocol, 1) for protocol in protocols), 2))


def versions(*numbers: int) -> bytes:
    """Return the extension that offers versions."""
    return extension(SUPPORTED_VERSIONS, vector(b"".join(number.to_bytes(2) for number in numbers), 1))


def body(
    extensions: Iterable[bytes] | None = (),
    *,
    version: int = TLS12,
    session_id: bytes = b"s" * 32,
    ciphers: bytes = b"\x13\x01\xc0\x2b",
    compressions: bytes = b"\x00",
    after: bytes = b"",
) -> bytes:
    """Return the body of a ClientHello; None leaves out the block of extensions."""
    block = b"" if extensions is None else vector(b"".join(extensions), 2)
    return b"".join(
        (
            version.to_bytes(2),
            b"r" * 32,
            vector(session_id, 1),
            vector(ciphers, 2),
            vector(compressions, 1),
            block,
            after,
        )
    )


def message(content: bytes, *, kind: int = 1) -> bytes:
    """Return a handshake message."""
    return bytes([kind]) + vector(content, 3)


def records(content: bytes, *, sizes: Sequence[int] = (), kind: int = 22) -> bytes:
    """Return *content* in records: one for each of *sizes*, in bytes, and one for the rest."""
    cut = []
    for size in sizes:
        cut.append(content[:size])
        content = content[size:]
    cut.append(content)
    return b"".join(bytes([kind, 3, 1]) + vector(part, 2) for part in cut if part)


def hello(*extensions: bytes) -> bytes:
    """Return a ClientHello with *extensions* in one record."""
    return records(message(body(extensions)))
