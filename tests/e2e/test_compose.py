"""docker-compose.yml for real: its commands, settings, secrets and health checks, as processes of this machine."""

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import yaml

from dev.certificates import Authority
from dev.ports import free_address
from dev.servers import PostgreSQL, RabbitMQ
from dev.waiting import until
from tests.rig.compose.file import ROOT, ComposeFile
from tests.rig.compose.host import LOOPBACK_NETWORK, Deployment, Surroundings

DOMAIN: Final = "shop.example.com"
DEPLOY: Final = ROOT / "deploy"
PROVISIONERS: Final = ("provisioner-1", "provisioner-2")
VALIDATOR: Final = "validator-1"
TERMINATORS: Final = ("terminator-1", "second-terminator-1")
LASTING: Final = (*PROVISIONERS, VALIDATOR, *TERMINATORS)


class ConfiguredRabbitMQ(RabbitMQ):
    """A broker that is configured as the one in the Compose file, but for where it listens."""

    def _configure(self) -> None:
        super()._configure()
        with (self.folder / "rabbitmq.conf").open("a") as file:
            file.write((DEPLOY / "rabbitmq/certsmith.conf").read_text())
        (self.folder / "enabled_plugins").write_text((DEPLOY / "rabbitmq/enabled_plugins").read_text())


async def test_what_compose_runs_serves_domains_and_uploads_and_stops(server_folder: Path) -> None:
    """Test all of it in one story, because starting it takes most of the time."""
    customers = Authority.create("The customer's own CA")
    bundle, key = customers.issue_to(server_folder, DOMAIN)
    async with deployed(server_folder) as (deployment, broker):
        cli = deployment.tool("cli")
        published = await cli.run(
            "publish", "domain-created", DOMAIN, "--upstream", "tcp://hello:8000", "--wait", "--json"
        )
        queues = await cli.run("queues", "--json")
        roots = await roots_of(deployment)
        pages = [await visit(deployment, name, roots) for name in TERMINATORS]
        files = ("--bundle", str(bundle), "--key", str(key))
        uploaded = await cli.run("publish", "certificate-uploaded", *files, "--attach", DOMAIN, "--wait", "--json")
        own_root = ssl.create_default_context(cadata=customers.pem.decode())
        own_pages = [await visited(deployment, name, own_root) for name in TERMINATORS]
        rotated = await deployment.tool("keeper").run("rotate", "vault", "--activate-after=2", "--forget-now", "--json")
        later_pages = [await visited(deployment, name, own_root) for name in TERMINATORS]
        measured = await measured_by(deployment, broker)
        statuses = await deployment.down()

    assert published[0] == 0, published[1]
    assert uploaded[0] == 0, uploaded[1]
    assert json.loads(uploaded[1])["domains"] == [DOMAIN]
    assert all("Hello from the upstream" in page for page in own_pages), own_pages
    assert rotated[0] == 0, rotated[1]
    assert json.loads(rotated[1])["rings"][0]["renewed"] > 1
    assert all("Hello from the upstream" in page for page in later_pages), later_pages
    assert json.loads(queues[1]).keys() >= {"queues"}, queues
    assert all("Hello from the upstream" in page for page in pages), pages
    assert metrics_of_alerts() - measured == set()
    assert {name: statuses[name] for name in LASTING} == dict.fromkeys(LASTING, 0)


@asynccontextmanager
async def deployed(folder: Path) -> AsyncIterator[tuple[Deployment, RabbitMQ]]:
    """Yield the deployment for development, with a second provisioner and a second terminator, and the broker."""
    async with (
        await ConfiguredRabbitMQ.start(folder / "rabbitmq") as broker,
        await PostgreSQL.start(folder / "postgresql") as database,
    ):
        variables = {"CERTSMITH_SECRETS": str(folder / "secrets"), "CERTSMITH_SETTINGS": str(DEPLOY / "dev.env")}
        compose = ComposeFile.read(ROOT / "docker-compose.yml", variables)
        addresses = {name: free_address() for name in compose.services}
        make_secrets(folder / "secrets", pebble=addresses["pebble"])
        administrator = await introduce(folder / "secrets", broker, database)
        around = Surroundings(
            folder=folder,
            compose=compose,
            servers={
                "rabbitmq:5672": f"{broker.host}:{broker.port}",
                "postgres:5432": urlsplit(database.url).netloc.rpartition("@")[2],
            },
            addresses=addresses,
            more=here(administrator),
        )
        async with Deployment.up(around, profiles=("dev", "second"), scale={"provisioner": 2}) as deployment:
            yield deployment, broker


def here(management_url: str) -> dict[str, dict[str, str]]:
    """Return the settings that are needed because this is one machine: the broker's ports and all upstreams are its."""
    upstreams = {"TERMINATOR_UPSTREAM_ALLOW": LOOPBACK_NETWORK}
    broker = {"AMQP_MANAGEMENT_URL": management_url}
    return {"migrate": broker, "cli": broker, "terminator": upstreams, "second-terminator": upstreams}


def make_secrets(folder: Path, *, pebble: str) -> None:
    """Make the secrets of the deployment, as its operator does first."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CERTSMITH": f"{sys.executable} -m certsmith",
        "CERTSMITH_SECRETS": str(folder),
        "PEBBLE_NAMES": f"IP:{pebble}",
    }
    subprocess.run([DEPLOY / "make-secrets", "--dev"], env=environment, check=True, capture_output=True)


async def introduce(folder: Path, broker: RabbitMQ, database: PostgreSQL) -> str:
    """Make the administrators, as the images do at their first start; return the address of the management API."""
    user, password = (
        line.partition(" = ")[2] for line in (folder / "rabbitmq_administrator.conf").read_text().split("\n")[:2]
    )
    await broker.add_user(user, password, tags="administrator")
    await broker.permit(user)
    connection = await asyncpg.connect(database.url)
    try:
        password_of_postgres = (folder / "postgres_password").read_text()
        await connection.execute(f"CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{password_of_postgres}'")
        await connection.execute("CREATE DATABASE certsmith OWNER postgres")
    finally:
        await connection.close()
    return broker.management_url.replace("://", f"://{user}:{password}@")


async def roots_of(deployment: Deployment) -> ssl.SSLContext:
    """Return what verifies certificates that Pebble issued."""
    trust = ssl.create_default_context(cafile=str(deployment.around.folder / "secrets/pebble_certificate"))
    pebble = deployment.around.addresses["pebble"]
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as client,
        client.get(f"https://{pebble}:15000/roots/0") as response,
    ):
        return ssl.create_default_context(cadata=await response.text())


async def visit(deployment: Deployment, name: str, trust: ssl.SSLContext) -> str:
    """Return the page of the domain that the terminator *name* serves, verified."""
    address, port = deployment.containers[name].address, int(deployment.around.ports["443"])
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(address, port, ssl=trust, server_hostname=DOMAIN)
        writer.write(f"GET / HTTP/1.0\r\nHost: {DOMAIN}\r\n\r\n".encode())
        page = await reader.read()
        writer.close()
    return page.decode()


async def visited(deployment: Deployment, name: str, trust: ssl.SSLContext) -> str:
    """Return the page as `visit` does, once the terminator *name* shows a certificate that *trust* vouches for."""

    async def look() -> str:
        try:
            return await visit(deployment, name, trust)
        except ssl.SSLCertVerificationError:
            return ""

    return await until(look, f"{name} to show the uploaded certificate")


async def measured_by(deployment: Deployment, broker: RabbitMQ) -> set[str]:
    """Return the names of all metrics that Prometheus would find."""
    detailed = "/detailed?family=queue_coarse_metrics&family=queue_consumer_count"
    ours = (
        f"http://{deployment.containers[name].address}:9100/metrics"
        for name in (PROVISIONERS[0], VALIDATOR, TERMINATORS[0])
    )
    found = {"up"}  # of Prometheus itself
    async with aiohttp.ClientSession(raise_for_status=True) as client:
        for url in (*ours, broker.prometheus_url, broker.prometheus_url + detailed):
            async with client.get(url) as response:
                found |= {*re.findall(r"^# HELP (\w+)", await response.text(), re.MULTILINE)}
    return found


def metrics_of_alerts() -> set[str]:
    """Return the names of all metrics that alerts look at."""
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    expressions = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    names = re.findall(r"\b(?:up\b|(?:messaging|provisioner|validator|terminator|vault|rabbitmq)_\w+)", expressions)
    return {name.removesuffix("_bucket") for name in names}
