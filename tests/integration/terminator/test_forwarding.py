"""Forwarding between clients and upstreams, and every way in which a connection can end."""

import asyncio
import contextlib
import shutil
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from OpenSSL import SSL

from services.terminator.control.sockets import port_of
from tests.fakes.terminator_store import Issuer, MemoryStore
from tests.rig.terminator.clients import BareClient
from tests.rig.terminator.node import LOOPBACK, Rig, echo, running_node, until, upstream, web

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = "shop.example.com"
REQUEST = b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"


async def connected(rig: Rig) -> BareClient:
    client = await BareClient.connect(rig.https_port, SHOP)
    await client.shake_hands()
    return client


async def test_a_client_that_ends_its_direction_still_gets_the_answer(rig: Rig, issuer: Issuer) -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = await reader.read()
        writer.write(b"%d bytes" % len(whole))
        writer.close()

    async with upstream(count) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        await client.write(b"x" * 100_000)
        await client.close_notify()

        assert await client.read_all() == b"100000 bytes"
        client.close()


async def test_an_upstream_that_ends_its_direction_still_gets_the_clients_bytes(rig: Rig, issuer: Issuer) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def speak_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        writer.write_eof()
        heard.set_result(await reader.read())
        writer.close()

    async with upstream(speak_first) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        assert await client.read_all() == b"220 ready\r\n"

        await client.write(b"goodbye")
        await client.close_notify()

        assert await heard == b"goodbye"
        assert await client.receive() == b""
        client.close()


async def test_a_fin_without_close_notify_ends_the_clients_direction(rig: Rig, issuer: Issuer) -> None:
    async with upstream(echo) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        await client.write(b"hello")
        client.writer.write_eof()

        assert await client.read_all() == b"hello"
        client.close()


async def test_a_client_gets_no_close_notify_after_an_upstreams_reset(rig: Rig, issuer: Issuer) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(b"half of it")
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with upstream(reset) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        await client.write(b"hello")

        with pytest.raises(SSL.SysCallError, match="without close_notify"):
            await client.read_all()
        client.close()


async def test_a_clients_reset_is_passed_on_to_the_upstream_as_a_reset(rig: Rig, issuer: Issuer) -> None:
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(100):
                writer.write(b"heard")
        except ConnectionError:
            ended.set_result(True)
        else:
            ended.set_result(False)
        writer.close()

    async with upstream(wait) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        await client.write(b"hello")
        assert await client.read() == b"heard"
        await client.write(b"half of")
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

        assert await ended is True


async def test_a_corrupt_record_ends_both_connections_with_an_alert_to_the_client(rig: Rig, issuer: Issuer) -> None:
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        ended.set_result(True)
        writer.close()

    async with upstream(wait) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        await client.send(b"\x17\x03\x03\x00\x20" + b"n" * 32)

        with pytest.raises(SSL.Error, match="bad record mac"):
            await client.read_all()
        assert await ended
        client.close()


async def test_an_upstream_that_is_down_is_answered_with_502_to_http(rig: Rig, issuer: Issuer) -> None:
    with socket.socket() as nobody:
        nobody.bind((LOOPBACK, 0))
        await rig.host(issuer.domain(SHOP, f"tcp://{LOOPBACK}:{port_of(nobody)}"))
        client = await connected(rig)
        await client.write(REQUEST)

        answer = await client.read_all()

    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"Strict-Transport-Security: max-age=" in answer
    assert answer.endswith(b"does not answer\n")
    client.close()


async def test_an_upstream_that_is_down_closes_connections_of_other_protocols(rig: Rig, issuer: Issuer) -> None:
    with socket.socket() as nobody:
        nobody.bind((LOOPBACK, 0))
        await rig.host(issuer.domain(SHOP, f"tcp://{LOOPBACK}:{port_of(nobody)}"))
        client = await connected(rig)
        await client.write(b"\x10\x20\x00\x04MQTT")

        assert await client.read_all() == b""
    client.close()


async def test_a_502_arrives_while_the_client_is_still_sending_a_body(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP, "http://not-served-yet.example.net:80"))
    client = await connected(rig)
    await client.write(b"POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000)

    assert (await client.read_all()).startswith(b"HTTP/1.1 502 ")
    client.close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", b"no upstream is configured for this domain\n"),
        ("http://app.example.net:80", b"has an unsupported scheme; tcp://host:port is expected\n"),
        ("tls://app.example.net:443", b"has an unsupported scheme; tcp://host:port is expected\n"),
        ("tcp://169.254.169.254:80", b"is a link-local address, which is never forwarded to\n"),
        ("tcp://[fd00:ec2::254]:80", b"has an address that is not allowed\n"),
        ("tcp://no-such-host.invalid:80", b"does not answer\n"),
        ("nonsense", b"has an unsupported scheme; tcp://host:port is expected\n"),
    ],
)
async def test_an_unusable_upstream_is_answered_with_502_and_the_reason(
    rig: Rig, issuer: Issuer, address: str, reason: bytes
) -> None:
    await rig.host(issuer.domain(SHOP, address))

    answer = await rig.get(SHOP)

    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert answer.endswith(reason)


async def test_the_terminator_does_not_dial_itself(rig: Rig, issuer: Issuer) -> None:
    for port in (rig.https_port, rig.http_port):
        await rig.host(issuer.domain(SHOP, f"tcp://{LOOPBACK}:{port}"))

        assert (await rig.get(SHOP)).endswith(b"has an address that is not allowed\n")


async def test_loopback_is_dialled_only_when_allowed(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, upstream_allow=()) as rig, upstream(web) as address:
        await rig.host(issuer.domain(SHOP, address))

        assert (await rig.get(SHOP)).endswith(b"has an address that is not allowed\n")


async def test_an_upstream_that_never_answers_is_answered_with_502_in_time(issuer: Issuer) -> None:
    with socket.socket() as full:
        full.bind((LOOPBACK, 0))
        full.listen(0)
        async with running_node(MemoryStore(), issuer.reader, connect_seconds=0.3) as rig:
            await rig.host(issuer.domain(SHOP, f"tcp://{LOOPBACK}:{port_of(full)}"))
            with contextlib.ExitStack() as stack:
                for _ in range(3):  # its queue is full, so the kernel stops answering
                    filler = stack.enter_context(socket.socket())
                    filler.settimeout(0)
                    filler.connect_ex((LOOPBACK, port_of(full)))

                assert (await rig.get(SHOP)).startswith(b"HTTP/1.1 502 ")


async def test_a_client_that_does_not_read_pauses_its_upstream(rig: Rig, issuer: Issuer) -> None:
    sent = 0

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            for _ in range(3000):
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536
        writer.close()

    async with upstream(flood) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is one that reads
        before = -1
        while sent != before:  # until no byte has moved for a while
            before = sent
            await asyncio.sleep(0.3)

        # What the kernel's buffers of four sockets take, far from all 200 MB.
        assert 0 < sent < 60_000_000
        client.close()


async def test_an_upstream_that_does_not_read_pauses_its_client(rig: Rig, issuer: Issuer) -> None:
    async def ignore(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined] # it is one that reads
        await enough.wait()
        writer.transport.abort()

    enough = asyncio.Event()
    async with upstream(ignore) as address:
        await rig.host(issuer.domain(SHOP, address))
        _, writer = await rig.tls(SHOP)
        sent = 0
        with contextlib.suppress(TimeoutError):
            for _ in range(3000):
                writer.write(b"x" * 65_536)
                async with asyncio.timeout(1):
                    await writer.drain()
                sent += 65_536

        assert 0 < sent < 60_000_000
        enough.set()
        writer.transport.abort()


async def test_an_idle_connection_is_closed(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, idle_seconds=0.4) as rig, upstream(echo) as address:
        await rig.host(issuer.domain(SHOP, address))
        client = await connected(rig)
        await client.write(b"hello")
        assert await client.read() == b"hello"

        assert await client.receive() == b""
        client.close()


async def test_ended_connections_leave_nothing_behind(rig: Rig, issuer: Issuer) -> None:
    async with upstream(web) as address:
        await rig.host(issuer.domain(SHOP, address))
        for _ in range(20):
            await rig.get(SHOP)

    await until(lambda: rig.node.workers.gauges[0][:2] == (0, 0), "no connection is left")


@pytest.mark.parametrize("forwarded", ["to an upstream", ""])
async def test_a_key_update_is_answered_while_no_data_flows(rig: Rig, issuer: Issuer, forwarded: str) -> None:
    """Answers that OpenSSL makes by itself must not pile up: a client could fill the worker's memory with them."""
    async with upstream(silent) as address, counting(rig.https_port) as (port, said):
        await rig.host(issuer.domain(SHOP, address if forwarded else ""))
        openssl = shutil.which("openssl")
        assert openssl is not None
        client = await asyncio.create_subprocess_exec(
            *(openssl, "s_client", "-connect", f"{LOOPBACK}:{port}", "-servername", SHOP),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert client.stdin is not None
        try:
            for _ in range(5):  # the first may coincide with the end of the handshake
                said.clear()
                client.stdin.write(b"K\n")  # a KeyUpdate that requests one in return
                await until(lambda: bool(said), "it is answered")
        finally:
            client.kill()
            await client.wait()


@contextlib.asynccontextmanager
async def counting(port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """Yield a port that forwards to *port*, and the bytes that came from there."""
    said = bytearray()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_connection(LOOPBACK, port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    kept += data
                    target.write(data)
            target.close()

        await asyncio.gather(copy(reader, there, bytearray()), copy(back, writer, said))

    async with upstream(lead) as address:
        yield int(address.rpartition(":")[2]), said


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Listen, and send nothing."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(65536):
            pass
    writer.close()
