"""Workers exit, hang and send garbage; the node continues."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from dev.waiting import within
from services.terminator import messages
from services.terminator.control.channel import Channel
from services.terminator.control.sockets import open_slots, port_of
from services.terminator.control.workers import Patience
from services.terminator.listening import accept_new, queued, refuse_new
from shared.process.ipc import encode
from tests.fakes.terminator_store import Issuer, MemoryStore
from tests.rig.terminator.clients import BareClient
from tests.rig.terminator.node import LOOPBACK, Rig, echo, running_node, until, upstream

SHOP = "shop.example.com"


def workers() -> list[int]:
    """Return the process ids of the workers that this process has started."""
    found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [
        pid for pid in map(int, found) if b"services.terminator.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


async def replaced(rig: Rig, old: list[int]) -> None:
    await until(lambda: rig.node.workers.missing == 0 and not set(old) & set(workers()), "there are new workers")


async def test_connections_queued_during_a_replacement_are_served_by_the_next_worker(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader) as rig:
        row = await rig.host(issuer.domain(SHOP))
        for _ in range(3):
            old = workers()
            os.kill(old[0], signal.SIGKILL)

            visits = await asyncio.gather(*(rig.shown(SHOP) for _ in range(20)))

            assert row.automatic is not None
            assert set(visits) == {row.automatic.leaf}
            await replaced(rig, old)


async def test_a_worker_that_hangs_is_replaced_when_it_does_not_drop(issuer: Issuer) -> None:
    patience = Patience(more_seconds=0.5)
    async with running_node(MemoryStore(), issuer.reader, workers=2, patience=patience, handshake_seconds=0.5) as rig:
        await rig.host(issuer.domain(SHOP))
        await rig.shown(SHOP)
        old = workers()
        os.kill(old[0], signal.SIGSTOP)

        row = rig.store.put(issuer.domain(SHOP))
        rig.node.hint(SHOP)
        await until(
            lambda: row.version in [item.version for item in rig.store.published], "the deployment is published"
        )

        await replaced(rig, old[:1])


async def test_a_worker_that_hangs_is_replaced_when_it_sends_nothing(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, patience=Patience(silent_seconds=1.5)) as rig:
        row = await rig.host(issuer.domain(SHOP))
        old = workers()
        os.kill(old[0], signal.SIGSTOP)

        await replaced(rig, old)

        assert row.automatic is not None
        assert await rig.shown(SHOP) == row.automatic.leaf


async def test_the_sockets_of_a_disconnected_worker_accept_again_for_its_successor(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader) as rig:
        row = await rig.host(issuer.domain(SHOP))
        old = workers()
        for channel in list(rig.node.workers._channels):
            channel.disconnect("a test wants it")
        refuse_new(rig.node.workers._slots[0].https)  # as a worker does when it has lost its control process

        await replaced(rig, old)

        assert row.automatic is not None
        assert await rig.shown(SHOP) == row.automatic.leaf


async def test_a_node_stops_while_a_hint_waits_for_the_store(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader) as rig:
        await rig.host(issuer.domain(SHOP))
        await rig.shown(SHOP)
        rig.store.available = False

        rig.node.hint(SHOP)
        await until(lambda: rig.store.refused > 0, "the store was asked")


async def test_a_worker_has_no_secret_in_its_environment_and_cannot_be_read(issuer: Issuer) -> None:
    os.environ["DATABASE_URL"] = "postgresql://secret@db/"
    try:
        async with running_node(MemoryStore(), issuer.reader):
            (worker,) = workers()
            environment = Path(f"/proc/{worker}/environ").read_bytes()
            limits = Path(f"/proc/{worker}/limits").read_text()
            owner = Path(f"/proc/{worker}/maps").stat().st_uid
    finally:
        del os.environ["DATABASE_URL"]

    assert b"secret" not in environment
    assert any(line.split()[4:6] == ["0", "0"] for line in limits.splitlines() if line.startswith("Max core file size"))
    assert owner == 0  # proc(5): root owns the files of a process that is not dumpable


async def test_connections_that_are_open_or_queued_when_the_node_stops_are_served(issuer: Issuer) -> None:
    async with upstream(echo) as address, running_node(MemoryStore(), issuer.reader, grace_seconds=10.0) as rig:
        await rig.host(issuer.domain(SHOP, address))
        reader, writer = await rig.tls(SHOP)
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        visiting = [asyncio.create_task(visit(rig)) for _ in range(20)]
        await until(lambda: queued(rig.node.workers._slots[0].https) == 20, "all are in the queue")

        stopping = asyncio.create_task(stop_and_continue(rig, worker))
        assert await asyncio.gather(*visiting) == [b"hello"] * 20

        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()
        await stopping


async def visit(rig: Rig) -> bytes:
    reader, writer = await rig.tls(SHOP)
    writer.write(b"hello")
    answer = await reader.readexactly(5)
    writer.close()
    return answer


async def stop_and_continue(rig: Rig, worker: int) -> None:
    """Stop the node while its *worker* is suspended, then resume the worker."""
    rig.stop.set()
    await asyncio.sleep(0)
    os.kill(worker, signal.SIGCONT)


async def test_a_stopped_node_refuses_new_connections_and_ends_after_its_grace_period(issuer: Issuer) -> None:
    async with upstream(echo) as address:
        async with running_node(MemoryStore(), issuer.reader, grace_seconds=2.0) as rig:
            await rig.host(issuer.domain(SHOP, address))
            client = await BareClient.connect(rig.https_port, SHOP)
            await client.shake_hands()
            rig.stop.set()

            async def is_refused() -> bool:
                try:
                    _, writer = await asyncio.wait_for(asyncio.open_connection(LOOPBACK, rig.https_port), 0.2)
                except ConnectionRefusedError:
                    return True
                except TimeoutError:
                    return False
                writer.close()
                return False

            async with within("new connections to be refused"):
                while not await is_refused():
                    await asyncio.sleep(0.05)
            await client.write(b"still here")
            assert await client.read() == b"still here"

        assert await client.receive() == b""
        client.close()
        assert workers() == []


async def test_a_socket_that_refuses_new_connections_keeps_those_in_its_queue() -> None:
    with open_slots(1, https=(LOOPBACK, 0), http=(LOOPBACK, 0)) as (slot,), socket.socket() as early:
        early.connect((LOOPBACK, port_of(slot.https)))
        early.send(b"hello")

        refuse_new(slot.https)

        with socket.socket() as late:
            late.settimeout(0.2)
            with pytest.raises(TimeoutError):
                late.connect((LOOPBACK, port_of(slot.https)))
        assert queued(slot.https) == 1
        accept_new(slot.https)
        accept_new(slot.https)
        with socket.create_connection((LOOPBACK, port_of(slot.https)), timeout=5):
            assert queued(slot.https) == 2
        accepted, _ = slot.https.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x00\x00\x63",
        encode(messages.Drain(1.0)),
        encode(messages.Ask(1, "UPPER.example.com")),
        encode(messages.Ask(1, "'; DROP TABLE domains")),
        encode(messages.Ask(1, "*.example.com")),
        encode(messages.AskChallenge(1, "192.0.2.1")),
        encode(messages.Dropped(7)),
        encode(messages.Metrics((1,), (1,))),
    ],
)
async def test_a_worker_that_sends_an_invalid_message_is_disconnected(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        asked: list[object] = []
        channel = Channel(on_question=lambda _, question: asked.append(question), on_metrics=asked.append)
        await channel.open(ours)

        theirs.send(sent)

        async with within("the channel to close"):
            assert await channel.ready is False
        assert asked == []


async def test_the_pending_drops_of_a_dead_worker_are_complete() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(on_question=lambda *_: None, on_metrics=lambda *_: None)
    await channel.open(ours)
    drop = channel.drop(SHOP)
    assert not drop.done()

    theirs.close()
    async with within("the channel to close"):
        assert await channel.ready is False
    assert not drop.done()  # its process may still be alive, and show what it holds
    channel.end()

    async with within("the drops to be done"):
        await drop
        await channel.drop(SHOP)
    ours.close()
