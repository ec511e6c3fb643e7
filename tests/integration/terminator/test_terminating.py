"""TLS from a client to an upstream, through real workers."""

import asyncio
import hashlib
import ssl

import pytest

from tests.fakes.terminator_store import Issuer, careless_context
from tests.rig.terminator.node import Rig, echo, upstream, web

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_request_reaches_its_upstream_under_a_verified_certificate(rig: Rig, issuer: Issuer) -> None:
    async with upstream(web) as address:
        await rig.host(issuer.domain("shop.example.com", address))

        answer = await rig.get("shop.example.com", path="/hello")

    assert answer.endswith(b"\r\n\r\nGET /hello HTTP/1.1")


async def test_fifty_megabytes_go_through_both_ways_unchanged(rig: Rig, issuer: Issuer) -> None:
    sent, received = hashlib.sha256(), hashlib.sha256()
    chunk = bytes(range(256)) * 4096
    async with upstream(echo) as address:
        await rig.host(issuer.domain("big.example.com", address))
        reader, writer = await rig.tls("big.example.com")

        async def send() -> None:
            for number in range(50):
                data = number.to_bytes(4) + chunk
                sent.update(data)
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            remaining = 50 * (len(chunk) + 4)
            while remaining:
                data = await reader.read(65536)
                assert data
                received.update(data)
                remaining -= len(data)
        writer.transport.abort()

    assert received.digest() == sent.digest()


async def test_an_unknown_name_gets_the_default_certificate_and_421(rig: Rig) -> None:
    answer = await rig.get("nobody.example.com", context=careless_context())

    assert answer.startswith(b"HTTP/1.1 421 ")


async def test_an_uncached_name_gets_internal_error_while_the_store_is_unavailable(rig: Rig) -> None:
    rig.store.available = False

    with pytest.raises(ssl.SSLError, match=r"(?i)internal error"):
        await rig.get("shop.example.com")
