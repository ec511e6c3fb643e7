"""Strangers: clients that read what a node answers, and verify nothing."""

import asyncio
import ssl
from typing import Final

from dev.platform.service import Node
from dev.waiting import finished

INTERNAL_ERROR: Final = bytes((21, 3, 3, 0, 2, 2, 80))  # RFC 8446 sections 5.1 and 6: a fatal alert in the clear


async def shown(host: str, node: Node) -> bytes:
    """Return the leaf (DER) that *node* shows for *host*.

    Raises:
        OSError: it shows none.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connecting = asyncio.open_connection(node.address, node.https_port, ssl=context, server_hostname=host)
    _, writer = await finished(connecting, f"a certificate for {host} from {node.name}")
    leaf: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return leaf


async def first_words(host: str, node: Node) -> bytes:
    """Return all that *node* answers to a ClientHello for *host*, byte for byte, until it ends the connection."""
    reader, writer = await asyncio.open_connection(node.address, node.https_port)
    try:
        writer.write(_hello(host))
        return await finished(reader.read(), f"{node.name} to end the connection")
    finally:
        writer.transport.abort()


def _hello(host: str) -> bytes:
    """Return the ClientHello of a usual client that asks for *host*."""
    said = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said, server_hostname=host)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return said.read()
    raise AssertionError("a handshake without a server")
