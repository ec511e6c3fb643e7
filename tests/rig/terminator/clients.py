"""Clients that misbehave as ordinary ones never do: TLS in memory, so that a test controls every byte on the wire."""

import asyncio
import contextlib
import ssl
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from dev.waiting import finished
from tests.rig.terminator.node import LOOPBACK

RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class BareClient:
    """A TLS client (of pyOpenSSL) whose records are sent and received by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: SSL.Connection) -> None:
        self.reader = reader
        self.writer = writer
        self.tls = tls

    @classmethod
    async def connect(cls, port: int, name: str | None, *, context: SSL.Context | None = None) -> Self:
        """Connect, and send nothing yet."""
        tls = SSL.Connection(context or SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        if name is not None:
            tls.set_tlsext_host_name(name.encode())
        tls.set_connect_state()
        return cls(*await asyncio.open_connection(LOOPBACK, port), tls)

    def hello(self) -> bytes:
        """Return the ClientHello, not yet sent."""
        with contextlib.suppress(SSL.WantReadError):
            self.tls.do_handshake()
        return self.tls.bio_read(65536)

    async def send(self, *portions: bytes) -> None:
        """Send *portions*, each in a segment of its own if the kernel does so."""
        for portion in portions:
            self.writer.write(portion)
            await self.writer.drain()

    async def receive(self) -> bytes:
        """Return the next bytes; empty at the end."""
        return await finished(self.reader.read(65536), "the next bytes")

    async def shake_hands(self) -> None:
        """Continue until the handshake is done, from its current state."""
        while True:
            try:
                self.tls.do_handshake()
            except SSL.WantReadError:
                await self.flush()
                data = await self.receive()
                assert data, "the server hung up"
                self.tls.bio_write(data)
            else:
                await self.flush()
                return

    async def flush(self) -> None:
        """Send OpenSSL's output."""
        with contextlib.suppress(SSL.WantReadError):
            while True:
                await self.send(self.tls.bio_read(65536))

    async def read(self) -> bytes:
        """Return the next decrypted bytes; empty at close_notify.

        Raises:
            SSL.SysCallError: the connection ended without one.
        """
        while True:
            try:
                return self.tls.recv(65536)
            except SSL.ZeroReturnError:
                return b""
            except SSL.WantReadError:
                data = await self.receive()
                if not data:
                    raise SSL.SysCallError(-1, "the end came without close_notify") from None
                self.tls.bio_write(data)

    async def read_all(self) -> bytes:
        """Return all decrypted bytes until close_notify."""
        parts = []
        while part := await self.read():
            parts.append(part)
        return b"".join(parts)

    async def write(self, data: bytes) -> None:
        """Send *data* encrypted."""
        view = memoryview(data)
        while view:
            view = view[self.tls.send(view) :]
        await self.flush()

    async def close_notify(self) -> None:
        """End the client's direction; the other one can still be read."""
        self.tls.shutdown()
        await self.flush()

    def leaf(self) -> bytes:
        """Return the leaf (DER) that was shown."""
        certificate = self.tls.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        return certificate.public_bytes(Encoding.DER)

    def close(self) -> None:
        """Close the connection."""
        self.writer.transport.abort()


def only(version: ssl.TLSVersion, context: ssl.SSLContext) -> ssl.SSLContext:
    """Restrict *context* to *version*, and return it."""
    context.minimum_version = context.maximum_version = version
    return context
