"""The private servers serve, keep their data, and leave nothing behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from dev.program import Command, Program, ProgramError
from dev.servers import together
from dev.servers.broker import Broker
from dev.servers.pebble import Pebble
from dev.servers.postgresql import PostgreSQL, StopMode
from dev.servers.rabbitmq import RabbitMQ
from tests.rig import processes

STARTER = Path(__file__).parents[1] / "rig" / "server_starter.py"
ROOT = Path(__file__).parents[2]


async def test_servers_started_together_serve_and_leave_nothing_behind(server_folder: Path) -> None:
    async with together(server_folder) as servers:
        assert servers.rabbitmq
        assert servers.postgresql
        assert servers.pebble
        ports = [*servers.rabbitmq.ports, *servers.postgresql.ports, *servers.pebble.ports]
        assert processes.listening(ports) == ports
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
            await aio_pika.connect(servers.rabbitmq.url_for("guest", "guest"))

    assert processes.of_folder(server_folder) == {}
    assert processes.listening(ports) == []


@pytest.mark.parametrize(
    ("instant", "number"),
    [
        *((instant, signal.SIGKILL) for instant in ("postgres", "beam.smp", "epmd", "ready")),
        ("ready", signal.SIGINT),
        *(pytest.param(instant, signal.SIGINT, marks=pytest.mark.soak) for instant in ("postgres", "beam.smp", "epmd")),
    ],
)
async def test_a_starter_that_is_ended_leaves_nothing_behind(
    server_folder: Path, instant: str, number: signal.Signals
) -> None:
    program = [sys.executable, str(STARTER), str(server_folder / "servers")]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as starter:
        try:
            if instant == "ready":
                assert starter.stdout
                ports = json.loads(starter.stdout.readline())
                assert processes.listening(ports) == ports
            else:
                await processes.until(lambda: instant in processes.of_folder(server_folder).values(), instant)

            starter.send_signal(number)

            await processes.until(lambda: starter.poll() is not None, "the starter to end")
            await processes.until(lambda: not processes.of_folder(server_folder), "every process to be gone")
        finally:
            starter.kill()


async def test_rabbitmq_keeps_confirmed_messages(own_rabbitmq: RabbitMQ) -> None:
    await _publish(own_rabbitmq.amqp_url, b"one")
    await own_rabbitmq.restart()
    await _publish(own_rabbitmq.amqp_url, b"two")
    # Not the other way round: RabbitMQ 3.10 never again finds a leader for a quorum queue that was declared less than
    # half a second before a SIGKILL.
    await own_rabbitmq.kill()
    assert processes.listening(list(own_rabbitmq.ports)) == []
    await own_rabbitmq.resume()

    assert await _take_all(own_rabbitmq.amqp_url) == [b"one", b"two"]


async def test_a_rabbitmq_user_may_do_only_what_is_permitted(rabbitmq: Broker, vhost: str) -> None:
    user, password = f"user-of-{vhost}", "pass/word"
    await rabbitmq.add_user(user, password)
    await rabbitmq.permit(user, vhost=vhost, configure="^mine$", write="^$", read="^$")

    async with await aio_pika.connect(rabbitmq.url_for(user, password, vhost=vhost)) as connection:
        channel = await connection.channel()
        await channel.declare_queue("mine", durable=True)
        with pytest.raises(aio_pika.exceptions.ChannelClosed, match=r"access to queue 'theirs' .* refused"):
            await channel.declare_queue("theirs", durable=True)
    await rabbitmq.delete_user(user)


@pytest.mark.parametrize("ending", [*StopMode, signal.SIGKILL])
async def test_postgresql_keeps_committed_rows(own_postgresql: PostgreSQL, ending: StopMode | signal.Signals) -> None:
    url = await own_postgresql.create_database("kept")
    await _execute(url, "CREATE TABLE t AS SELECT 1 AS i")

    await (own_postgresql.stop(ending) if isinstance(ending, StopMode) else own_postgresql.kill())
    assert processes.of_folder(own_postgresql.folder) == {}
    await own_postgresql.resume()

    assert await _execute(url, "SELECT * FROM t") == "SELECT 1"


async def test_postgresql_copies_databases_and_drops_those_in_use(own_postgresql: PostgreSQL) -> None:
    original = await own_postgresql.create_database("original")
    await _execute(original, "CREATE TABLE t AS SELECT 1 AS i")

    copy = await own_postgresql.create_database(template="original")
    assert await _execute(copy, "SELECT * FROM t") == "SELECT 1"

    connection = await asyncpg.connect(copy)
    await own_postgresql.drop_database(copy)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.execute("SELECT 1")
    connection.terminate()


async def test_pebble_restarts_at_its_address_with_a_new_root(own_pebble: Pebble) -> None:
    before = await own_pebble.roots()
    await own_pebble.kill()
    assert processes.listening(list(own_pebble.ports)) == list(own_pebble.dns.ports)

    await own_pebble.resume()

    assert await own_pebble.roots() != before
    assert await own_pebble.issued_certificates() == {}


async def test_a_program_that_cannot_serve_says_why(server_folder: Path) -> None:
    program = await Program.start(Command(argv=["/bin/cat", "/nowhere"], log=server_folder / "log"))
    assert await program.wait(5) == 1

    with pytest.raises(ProgramError, match=r"cat ended with status 1\n.*No such file"):
        program.check_alive()


async def _publish(url: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue.name)


async def _take_all(url: str) -> list[bytes]:
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        taken = []
        while message := await queue.get(no_ack=True, fail=False):
            taken.append(message.body)
        return taken


async def _execute(url: str, statement: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()
