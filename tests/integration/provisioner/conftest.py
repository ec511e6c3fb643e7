"""A provisioner in this process, between a real broker, a real database and a real CA."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web

from certsmith.rotation import generation
from dev import waiting
from dev.servers.pebble import Pebble
from dev.waiting import finished
from services.provisioner.app import OUTSIDE, Outside, serve
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from shared.identifiers import CertificateId
from shared.messaging.broker import topology
from shared.store import Pool, open_pool
from shared.vault import KeyFiles


@dataclass(slots=True, kw_only=True)
class World:
    """The servers that a provisioner uses, and a view of its rows."""

    amqp_url: str
    database: asyncpg.Pool
    database_url: str
    keys: KeyFiles
    pebble: Pebble
    address: str
    settings: dict[str, Any] = field(default_factory=dict)

    async def point_here(self, *names: str) -> None:
        """Point *names* to the platform's address in the DNS."""
        for name in names:
            await self.pebble.dns.set_a(name, self.address)

    async def publish(self, event_type: str, data: object, **headers: str) -> None:
        """Publish a bare JSON body, or a binary CloudEvent when *headers* has its attributes."""
        connection = await aio_pika.connect(self.amqp_url)
        async with connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange("certsmith.public", ensure=False)
            message = aio_pika.Message(
                json.dumps(data).encode(),
                content_type="application/json",
                headers={f"ce-{name}": value for name, value in headers.items()},
            )
            await exchange.publish(message, routing_key=event_type)

    async def until(self, query: str, *args: object) -> Any:
        """Repeat *query* until its value is true, and return it."""
        return await waiting.until(lambda: self.database.fetchval(query, *args), query)

    async def certificate_of(self, name: str, *, tenant: str = "") -> CertificateId:
        """Return the id of the certificate that *name* has, once it has one."""
        query = "SELECT automatic_certificate_id FROM registry.domains WHERE name = $1 AND tenant = $2"
        return CertificateId(await self.until(query, name, tenant))

    async def order_of(self, name: str) -> asyncpg.Record:
        """Return the newest order for *name*."""
        row = await self.database.fetchrow(
            "SELECT o.* FROM provisioner.orders AS o JOIN registry.domains AS d ON d.id = o.domain_id "
            "WHERE d.name = $1 ORDER BY o.created_at DESC LIMIT 1",
            name,
        )
        assert row is not None
        return row

    @asynccontextmanager
    async def provisioner(self, *, outside: Outside = OUTSIDE, **settings: Any) -> AsyncIterator[asyncio.Task[None]]:
        """Run a provisioner for the length of the block, and stop it as a signal would."""
        stop = asyncio.Event()
        given = {
            "amqp_url": self.amqp_url,
            "database_url": self.database_url,
            "dns_servers": (self.pebble.dns.address,),
            "http01_port": self.pebble.behaviour.http_port,
            "probe_allow": ("127.0.0.0/8",),
            "platform_addresses": (self.address,),
            "lease_seconds": 10.0,
            "dns_poll_seconds": 0.2,
            "backoff_seconds": (0.2, 0.5, 1.0),
            "new_orders_per_3_hours": 100_000,
            "certificates_per_week": 100_000,
            **self.settings,
            **settings,
        }
        authority = AuthoritySettings(ca=self.pebble.directory_url, trusted_ca=self.pebble.ca_file.read_text())
        task = asyncio.create_task(
            serve(ProvisionerSettings(**given), authority, self.keys, stop, outside=outside), name="provisioner"
        )
        try:
            yield task
            stop.set()
            await finished(task, "the provisioner to stop")
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


Answer = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture
def key_files(tmp_path: Path) -> KeyFiles:
    """Return key rings of this test's own."""
    generation.generate(tmp_path / "keys")
    return KeyFiles(keys_dir=tmp_path / "keys")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Yield a pool with the provisioner's rights."""
    async with open_pool(database_url, role="provisioner", max_size=4) as opened:
        yield opened


@pytest_asyncio.fixture
async def world(
    amqp_url: str, rabbitmq: Any, database_url: str, key_files: KeyFiles, pebble: Pebble, loopback_address: str
) -> AsyncIterator[World]:
    """Yield a world whose platform answers HTTP-01 on port 80 from the challenges in the database."""
    login = f"http://{rabbitmq.user}:{rabbitmq.password}@"
    await topology.declare(amqp_url, rabbitmq.management_url.replace("http://", login))
    async with asyncpg.create_pool(database_url, min_size=0) as database:

        async def answer(request: web.Request) -> web.Response:
            thumbprint = await database.fetchval(
                "SELECT answer FROM registry.challenges WHERE name = $1 AND kind = 'http-01' AND expires_at > now()",
                request.host.partition(":")[0],
            )
            token = request.match_info["token"]
            return web.Response(text=f"{token}.{thumbprint}") if thumbprint else web.Response(status=404)

        application = web.Application()
        application.add_routes([web.get("/.well-known/acme-challenge/{token}", answer)])
        runner = web.AppRunner(application)
        await runner.setup()
        try:
            await web.TCPSite(runner, loopback_address, pebble.behaviour.http_port).start()
            yield World(
                amqp_url=amqp_url,
                database=database,
                database_url=database_url,
                keys=key_files,
                pebble=pebble,
                address=loopback_address,
            )
        finally:
            await runner.cleanup()
