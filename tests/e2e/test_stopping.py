"""SIGTERM: a service finishes its work, accepts no more, and exits in time; a second signal ends it at once."""

import asyncio
import os
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from dev.platform.platform import Platform
from dev.platform.service import Node, Service
from dev.waiting import Watch, until
from tests.rig.load.connection import Connection, UnexpectedEndError
from tests.rig.load.visitors import load_on
from tests.rig.slow_upstream import DOWNLOAD, Downloads, open_downloads

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS, ISSUED = 200, 20

STOPPED_BY_FORCE = 1


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


@pytest_asyncio.fixture(loop_scope="module")
async def downloads() -> AsyncIterator[Downloads]:
    async with open_downloads() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provisioner(platform: Platform) -> Service:
    """Return a provisioner that runs for the tests about terminators."""
    service = platform.provisioner("provisioner")
    await platform.run(service)
    return service


async def connect(platform: Platform, node: Node, host: str) -> Connection:
    """Return a connection to *host* at *node*, which has verified its certificate and got an answer."""
    context = ssl.create_default_context(cadata=platform.roots.decode())
    connection = await Connection.open(node.address, node.https_port, context=context, host=host)
    await connection.shake_hands()
    assert await connection.ask(b"hello\n") == b"hello\n"
    return connection


async def is_stopping(service: Service) -> bool:
    """Return whether *service* reports that it is stopping, and that it is alive."""
    page = await service.page("ready")
    return page.status == 503 and page.text.startswith("stopping: ") and (await service.page("live")).status == 200


async def refuses(node: Node) -> bool:
    """Return whether connections to *node* are refused."""
    try:
        async with asyncio.timeout(0.5):
            _, writer = await asyncio.open_connection(node.address, node.https_port)
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    writer.transport.abort()
    return False


async def open_domain(platform: Platform, node: Node, upstream: str) -> str:
    """Return a host that *node* serves, with that *upstream*."""
    host = a_host()
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host, upstream=upstream))
    await platform.served(host, by=[node])
    return host


@pytest.mark.usefixtures("provisioner")
async def test_a_terminator_exits_when_the_last_download_has_ended(platform: Platform, downloads: Downloads) -> None:
    node = platform.terminator("draining", TERMINATOR_GRACE_SECONDS="60")
    await platform.run(node)
    host = await open_domain(platform, node, downloads.address)
    visitor = await connect(platform, node, host)
    await visitor.say(DOWNLOAD)
    received = bytearray(await visitor.read())

    async with Watch().running() as watch:
        stopping = asyncio.create_task(node.stop())
        await until(lambda: is_stopping(node), "the node to say that it stops")
        await until(lambda: refuses(node), "the node to accept nothing more")
        downloads.go_on.set()
        while data := await visitor.read():
            received += data
        await visitor.close()
        status = await stopping

    assert received == downloads.whole
    assert status == 0
    assert watch.seconds < 30


@pytest.mark.usefixtures("provisioner")
async def test_a_successor_at_the_same_address_takes_over_and_no_connection_fails(platform: Platform) -> None:
    first = platform.terminator("first")
    second = platform.terminator("second", TERMINATOR_HTTPS_PORT=str(first.https_port))
    await platform.run(first)
    host = await open_domain(platform, first, platform.upstream)
    async with load_on(platform, host, [first], staying=0) as load:
        await platform.run(second)
        assert await first.stop() == 0
        for _ in range(20):
            assert (await platform.visit(host, first)).names == [host]  # at the address of both
        report = await load.stop()

    assert report.failures == ()


@pytest.mark.usefixtures("provisioner")
async def test_an_idle_connection_is_closed_at_the_end_of_the_grace_period(
    platform: Platform, downloads: Downloads
) -> None:
    node = platform.terminator("patient", TERMINATOR_GRACE_SECONDS="6")
    await platform.run(node)
    visitor = await connect(platform, node, await open_domain(platform, node, downloads.address))
    stopped_at = time.monotonic()

    async with Watch().running() as watch:
        stopping = asyncio.create_task(node.stop())
        await until(lambda: refuses(node), "the node to accept nothing more")
        assert await visitor.ask(b"still here\n") == b"still here\n"
        with pytest.raises((UnexpectedEndError, ConnectionError)):
            await visitor.read()
        visitor.abort()
        status = await stopping

    assert status == 0
    assert time.monotonic() - stopped_at > 2.5
    assert watch.seconds < 6.5


@pytest.mark.usefixtures("provisioner")
async def test_a_second_signal_closes_all_connections(platform: Platform, downloads: Downloads) -> None:
    node = platform.terminator("hurrying", TERMINATOR_GRACE_SECONDS="600")
    await platform.run(node)
    visitor = await connect(platform, node, await open_domain(platform, node, downloads.address))
    workers = node.children()

    node.send(signal.SIGTERM)
    await until(lambda: is_stopping(node), "the node to say that it stops")
    assert await visitor.ask(b"still here\n") == b"still here\n"
    node.send(signal.SIGTERM)

    assert await node.ended(5) == STOPPED_BY_FORCE
    with pytest.raises((UnexpectedEndError, ConnectionError)):
        await visitor.read()
    visitor.abort()
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.usefixtures("provisioner")
async def test_connections_in_the_queue_are_served_when_a_terminator_stops(
    platform: Platform, downloads: Downloads
) -> None:
    node = platform.terminator("queueing")
    await platform.run(node)
    host = await open_domain(platform, node, downloads.address)
    for worker in node.children():
        os.kill(worker, signal.SIGSTOP)
    visiting = [asyncio.create_task(connect(platform, node, host)) for _ in range(50)]
    await until(lambda: have_connected(node, 50), "the kernel to have accepted all")

    stopping = asyncio.create_task(node.stop())
    await until(lambda: is_stopping(node), "the node to say that it stops")
    for worker in node.children():
        os.kill(worker, signal.SIGCONT)
    for visitor in await asyncio.gather(*visiting):
        await visitor.close()

    assert await stopping == 0


async def have_connected(node: Node, count: int) -> bool:
    """Return whether at least *count* connections to *node* are established (proc(5), /proc/net/tcp)."""
    packed = "".join(f"{int(part):02X}" for part in reversed(node.address.split(".")))
    here = f"{packed}:{node.https_port:04X}"
    with open("/proc/net/tcp") as file:  # noqa: PTH123
        return sum(line.split()[1] == here and line.split()[3] == "01" for line in file) >= count
