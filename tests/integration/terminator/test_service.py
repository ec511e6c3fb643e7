"""`python -m services.terminator` as a process, with a broker and a database that come and go."""

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from certsmith.migration.schema import migrate
from dev.folders import run_folder
from dev.platform.service import Node
from dev.ports import LOOPBACK, free_port
from dev.servers.postgresql import PostgreSQL, StopMode
from dev.servers.rabbitmq import RabbitMQ
from dev.waiting import until
from services.terminator.control.sockets import port_of
from shared.certificates import parse
from shared.events import Cause, DomainChanged, Event
from shared.identifiers import CertificateId, new_domain_id
from shared.messaging.broker import topology
from shared.messaging.publisher import Publisher
from shared.registry import certificates
from tests.fakes.terminator_store import TENANT, Issuer, careless_context, trusting_context
from tests.rig.fact_recorder import recording_facts
from tests.rig.messaging.support import manager_url
from tests.rig.terminator.node import upstream, web

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Site:
    """Servers, keys, and one terminator."""

    broker: RabbitMQ
    database: PostgreSQL
    url: str
    issuer: Issuer
    node: Node

    async def host(self, name: str, address: str = "") -> bytes:
        """Store a new certificate for *name* without a hint, and return the leaf."""
        certificate = self.issuer.certificate(name)
        assert certificate.key is not None
        connection = await asyncpg.connect(self.url)
        try:
            async with connection.transaction():
                await certificates.insert_key(connection, certificate.key, tenant=TENANT)
                stored = await certificates.insert(
                    connection,
                    certificate_id=CertificateId(certificate.id),
                    tenant=TENANT,
                    source="automatic",
                    key_id=certificate.key.key_id,
                    chain=(certificate.leaf,),
                    facts=parse(certificate.leaf),
                )
                await connection.execute(
                    "INSERT INTO registry.domains (id, tenant, name, holds_name, upstream, automatic_certificate_id, "
                    "requested_at) VALUES ($1, $2, $3, true, $4, $5, $6) ON CONFLICT (tenant, name) DO UPDATE "
                    "SET automatic_certificate_id = excluded.automatic_certificate_id",
                    new_domain_id(),
                    TENANT,
                    name,
                    address,
                    stored,
                    datetime.now(UTC),
                )
        finally:
            await connection.close()
        return certificate.leaf

    async def hint(self, name: str) -> None:
        """Publish a hint that the row of *name* has changed."""
        async with Publisher(self.broker.amqp_url, name="test") as publisher:
            data = DomainChanged(domain=name, version=1, deleted=False)
            await publisher.publish(Event(data=data, source="test", cause=Cause("c-42")))

    async def shown(self, name: str, *, context: ssl.SSLContext | None = None) -> bytes:
        """Return the leaf that is shown for *name*."""
        _, writer = await asyncio.open_connection(
            self.node.address, self.node.https_port, ssl=context or trusting_context(), server_hostname=name
        )
        leaf: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return leaf

    async def is_shown(self, name: str, leaf: bytes) -> None:
        """Wait until *leaf* is shown for *name*."""

        async def look() -> bool:
            try:
                return await self.shown(name) == leaf
            except ssl.SSLError:
                return False

        await until(look, f"{name} to be served")

    async def page(self, path: str) -> tuple[int, str]:
        """Return status and text of a health page."""
        port = self.node.environment["TERMINATOR_METRICS_PORT"]
        async with aiohttp.ClientSession() as session, session.get(f"http://{LOOPBACK}:{port}{path}") as answer:
            return answer.status, await answer.text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    """Yield a site whose terminator has not been started."""
    with run_folder("test") as folder:
        issuer = Issuer(folder / "keys")
        async with (
            await RabbitMQ.start(folder / "rabbitmq") as broker,
            await PostgreSQL.start(folder / "postgresql") as database,
        ):
            url = await database.create_database()
            await migrate(url)
            await topology.declare(broker.amqp_url, manager_url(broker))
            node = a_node(folder, broker, url)
            try:
                yield Site(broker, database, url, issuer, node)
            finally:
                await node.end()


def a_node(folder: Path, broker: RabbitMQ, url: str) -> Node:
    port, https_port = free_port(), free_port()
    environment = {
        "AMQP_URL": broker.amqp_url,
        "DATABASE_URL": url,
        "CERTSMITH_KEYS_DIR": str(folder / "keys"),
        "TERMINATOR_NODE": "node-1",
        "TERMINATOR_WORKERS": "2",
        "TERMINATOR_HTTPS_ADDRESS": LOOPBACK,
        "TERMINATOR_HTTPS_PORT": str(https_port),
        "TERMINATOR_HTTP_ADDRESS": LOOPBACK,
        "TERMINATOR_HTTP_PORT": "0",
        "TERMINATOR_METRICS_PORT": str(port),
        "TERMINATOR_UPSTREAM_ALLOW": "127.0.0.0/8",
        "TERMINATOR_POLL_SECONDS": "1",
        "TERMINATOR_GRACE_SECONDS": "5",
    }
    return Node(
        "terminator",
        environment=environment,
        folder=folder,
        ready_port=port,
        address=LOOPBACK,
        https_port=https_port,
    )


@pytest_asyncio.fixture(loop_scope="module")
async def running(site: Site) -> Site:
    """Return a site whose terminator is ready."""
    if not site.node.is_running:
        await site.node.start()
    await site.node.ready()
    return site


async def test_it_starts_before_broker_and_database_and_serves_once_they_answer(site: Site) -> None:
    leaf = await site.host("first.example.com")
    await site.database.stop()
    await site.broker.stop()

    await site.node.start()
    await until(lambda: accepts(site), "connections to be accepted")
    with pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
        await site.shown("first.example.com")
    status, missing = await site.page("/ready")
    assert status == 503
    assert "database: " in missing
    assert "broker: " in missing
    assert (await site.page("/live"))[0] == 200

    await asyncio.gather(site.database.resume(), site.broker.resume())
    await site.is_shown("first.example.com", leaf)
    await site.node.ready()


async def accepts(site: Site) -> bool:
    try:
        return "workers: " not in (await site.page("/ready"))[1]
    except aiohttp.ClientError:
        return False


async def test_a_hint_swaps_the_certificate_and_the_deployment_is_published(running: Site) -> None:
    name = "swapped.example.com"
    async with recording_facts(running.broker.amqp_url) as recorder:
        before = await running.host(name)
        assert await running.shown(name) == before
        after = await running.host(name)

        await running.hint(name)
        fact = await recorder.deployment(name, "node-1")

    assert await running.shown(name) == after
    assert fact.data["latency_seconds"] > 0
    connection = await asyncpg.connect(running.url)
    row = await connection.fetchrow("SELECT * FROM terminator.deployments WHERE domain = $1", name)
    await connection.close()
    assert row is not None
    assert (row["node"], row["version"]) == ("node-1", fact.data["version"])


async def test_a_name_asked_for_before_its_registration_is_served_after_the_hint(running: Site) -> None:
    name = "early.example.com"
    default = await running.shown(name, context=careless_context())
    leaf = await running.host(name)

    await running.hint(name)

    await running.is_shown(name, leaf)
    assert leaf != default


async def test_without_the_database_it_serves_cached_names_and_refuses_others(running: Site) -> None:
    known, unknown = "known.example.com", "unknown.example.com"
    leaf, other = await running.host(known), await running.host(unknown)
    assert await running.shown(known) == leaf

    await running.database.stop(StopMode.IMMEDIATE)
    try:
        assert await running.shown(known) == leaf
        await running.hint(known)
        for _ in range(5):
            assert await running.shown(known) == leaf
        with pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
            await running.shown(unknown)
        await until(lambda: says(running, "database: "), "/ready to say so")
    finally:
        await running.database.resume()

    await running.is_shown(unknown, other)


async def says(site: Site, text: str) -> bool:
    return text in (await site.page("/ready"))[1]


async def test_with_a_hanging_database_it_serves_cached_names_and_refuses_others(running: Site) -> None:
    known, unknown = "known-2.example.com", "unknown-2.example.com"
    leaf, other = await running.host(known), await running.host(unknown)
    assert await running.shown(known) == leaf

    running.database.freeze()
    try:
        assert await running.shown(known) == leaf
        with pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
            await running.shown(unknown)
    finally:
        running.database.thaw()

    await running.is_shown(unknown, other)


async def test_without_the_broker_changes_are_found_by_polling_and_published_later(running: Site) -> None:
    name = "polled.example.com"
    assert await running.shown(name, context=careless_context())
    await running.broker.stop()
    try:
        leaf = await running.host(name)

        await running.is_shown(name, leaf)
    finally:
        await running.broker.resume()
    async with recording_facts(running.broker.amqp_url) as recorder:
        after = await running.host(name)
        await running.is_shown(name, after)
        await recorder.deployment(name, "node-1")
    await running.node.ready()


async def test_the_workers_counters_are_at_metrics(running: Site) -> None:
    name = "counted.example.com"
    async with upstream(web) as address:
        await running.host(name, address)
        reader, writer = await asyncio.open_connection(
            LOOPBACK, running.node.https_port, ssl=trusting_context(), server_hostname=name
        )
        writer.write(b"GET / HTTP/1.1\r\nHost: counted.example.com\r\n\r\n")
        assert await reader.read()
        writer.close()

        async def counted() -> bool:
            _, text = await running.page("/metrics")
            values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("terminator_"))
            return (
                float(values['terminator_handshakes_total{outcome="served"}']) >= 1
                and float(values['terminator_forwarded_bytes_total{source="clients"}']) > 20
                and float(values['terminator_cache_entries{kind="contexts"}']) >= 1
                and float(values["terminator_workers"]) == 2
                and "terminator_deploy_latency_seconds_count" in values
            )

        await until(counted, "the numbers of all workers")


async def test_killed_workers_are_replaced_and_no_connection_is_refused(running: Site) -> None:
    name = "killed.example.com"
    leaf = await running.host(name)
    for _ in range(3):
        for pid in running.node.children():
            os.kill(pid, signal.SIGKILL)

        assert set(await asyncio.gather(*(running.shown(name) for _ in range(10)))) == {leaf}
        await running.node.ready()


async def test_when_the_control_process_is_killed_its_workers_exit_and_another_can_start(running: Site) -> None:
    workers = running.node.children()
    leaf = await running.host("again.example.com")
    await running.node.kill()

    async def all_gone() -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in workers)

    await until(all_gone, "the workers to end")
    await running.node.start()
    await running.node.ready()

    assert await running.shown("again.example.com") == leaf


async def test_no_secret_is_in_the_environment_of_a_worker(running: Site) -> None:
    for pid in running.node.children():
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"_URL" not in environment
        assert running.broker.password.encode() not in environment


async def test_it_stops_within_its_grace_period_with_status_0(running: Site) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, running.node.https_port)

    assert await running.node.stop() == 0

    assert await reader.read() == b""
    writer.close()


async def test_a_port_in_use_is_a_settings_error(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        node = Node(
            "other",
            environment={**site.node.environment, "TERMINATOR_HTTPS_PORT": str(port_of(taken))},
            folder=site.node.log.parent,
            ready_port=1,
            address=LOOPBACK,
            https_port=port_of(taken),
        )
        await node.start()

        assert await node.ended() == 78
        await node.end()
        assert "TERMINATOR_HTTPS_PORT: cannot listen on 127.0.0.1" in node.log.read_text()
