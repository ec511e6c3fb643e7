"""Encryption and decryption on an established TLS connection, by OpenSSL's functions directly.

pyOpenSSL's own methods allocate, copy and raise for each record. They cost 6.1 us of a kept-alive request, the
functions used here 1.9 us (measured; the whole request costs about 20 us). These functions are not public in pyOpenSSL,
so no other module uses them, and the tests hold this file to the behaviour of the public methods.
"""

from typing import Any, Final

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

READ_BYTES: Final = 65_536
RECORD_BYTES: Final = 16_384  # RFC 8446 section 5.1: the most that one record holds
# Encryption adds at most 29 bytes for each record of TLS 1.2, and answers to a client's KeyUpdates.
_WRITE_BYTES: Final = READ_BYTES + 4096

# The limit for answers that OpenSSL makes by itself, to KeyUpdates. Flow control keeps an upstream's bytes far below.
MAX_UNREAD_BYTES: Final = 1 << 20

_bio_write: Final[Any] = lib.BIO_write
_bio_read: Final[Any] = lib.BIO_read
_ssl_read: Final[Any] = lib.SSL_read
_ssl_write: Final[Any] = lib.SSL_write
_ssl_get_error: Final[Any] = lib.SSL_get_error
_WANT_READ: Final[int] = lib.SSL_ERROR_WANT_READ
_bytes_of: Final[Any] = ffi.buffer


class Buffers:
    """The memory into which all connections of a process read, decrypt and encrypt, one after the other."""

    __slots__ = ("encrypted", "plain", "read", "view")

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_BYTES))
        self.read: Any = ffi.from_buffer(self.view)
        self.plain: Any = ffi.new("char[]", RECORD_BYTES)
        self.encrypted: Any = ffi.new("char[]", _WRITE_BYTES)


class Records:
    """One established connection: *tls* works on memory BIOs."""

    __slots__ = ("_buffers", "_from_ssl", "_into_ssl", "_ssl", "_tls")

    def __init__(self, tls: SSL.Connection, buffers: Buffers) -> None:
        self._tls = tls
        self._buffers = buffers
        self._ssl = tls._ssl  # noqa: SLF001 - see above
        self._into_ssl = tls._into_ssl  # noqa: SLF001
        self._from_ssl = tls._from_ssl  # noqa: SLF001

    def feed(self, nbytes: int) -> None:
        """Accept the first *nbytes* of the read buffer as bytes from the peer."""
        _bio_write(self._into_ssl, self._buffers.read, nbytes)

    def decrypt(self) -> bytes | None:
        """Return the content of the next record, None when there is no whole record.

        Raises:
            SSL.ZeroReturnError: the peer has sent close_notify.
            SSL.Error: what the peer sent is not TLS; `take` returns the alert for it.
        """
        buffers = self._buffers
        size = _ssl_read(self._ssl, buffers.plain, RECORD_BYTES)
        if size > 0:
            data: bytes = _bytes_of(buffers.plain, size)[:]
            return data
        if _ssl_get_error(self._ssl, size) != _WANT_READ:
            self._tls._raise_ssl_error(self._ssl, size)  # noqa: SLF001
        return None

    def encrypt(self, nbytes: int) -> bytes:
        """Return the first *nbytes* of the read buffer, encrypted."""
        size = _ssl_write(self._ssl, self._buffers.read, nbytes)
        if size != nbytes:
            self._tls._raise_ssl_error(self._ssl, size)  # noqa: SLF001
        return self.take()

    def encrypt_bytes(self, data: bytes) -> bytes:
        """Return *data* encrypted."""
        self._tls.send(data)
        return self.take()

    def close_notify(self) -> bytes:
        """Return the close_notify record, which ends our direction."""
        self._tls.shutdown()
        return self.take()

    def take(self) -> bytes:
        """Return the bytes that OpenSSL wants sent to the peer."""
        encrypted = self._buffers.encrypted
        data = b""
        while (size := _bio_read(self._from_ssl, encrypted, _WRITE_BYTES)) > 0:
            data += _bytes_of(encrypted, size)[:]
            if size < _WRITE_BYTES:
                break
        return data
