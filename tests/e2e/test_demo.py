"""The demo: it serves every name, uses servers that are given, and leaves nothing behind, whenever it is ended."""

import asyncio
import random
import secrets
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dev.servers.broker import Broker
from dev.servers.pebble import Pebble
from shared.store import open_connection
from tests.rig import processes
from tests.rig.command_line import certsmith
from tests.rig.demo_process import Demo, running

NAMES = ("shop.example.com", "blog.example.org", "bücher.example.com", "moving.example.com", "own.example.com")
STARTED = "started RabbitMQ"
MIGRATED = "certsmith keys generate"
READY = "all services are ready"
SERVED = "verified, TLS"


async def nothing_is_left(demo: Demo) -> None:
    await processes.until(lambda: demo.left_behind() == {}, f"the end of {demo.left_behind()}")


async def test_every_name_is_served_and_nothing_is_left(server_folder: Path) -> None:
    with running(server_folder) as demo:
        code = await demo.ended()

        assert code == 0, demo.text
        assert demo.text.count(SERVED) == len(NAMES)
        assert all(f"https://{name}/  200 OK" in demo.text for name in NAMES)
        assert "subject xn--bcher-kva.example.com, issuer Pebble Intermediate CA" in demo.text
        assert "its owner now adds the CNAME record" in demo.text
        assert "subject own.example.com, issuer The customer's own CA" in demo.text
        assert demo.left_behind() == {}
        assert [path.name for path in server_folder.glob("certsmith-*/*")] == []


async def test_with_keep_it_goes_on_running_and_prints_commands_to_try(server_folder: Path) -> None:
    with running(server_folder, "--keep") as demo:
        await demo.says("Ctrl-C here ends everything")
        settings = demo.settings()
        urls = [settings[name] for name in ("AMQP_URL", "DATABASE_URL", "AUTOCERT_CA")]
        ports = [port for url in urls if (port := urlsplit(url).port)]
        listed = await certsmith("domains", "--json", environment=settings)

        demo.signal(signal.SIGINT)

        assert await demo.ended() == 0
        assert [domain["standing"] for domain in listed.document["domains"]] == ["serving"] * len(NAMES)
        assert len(ports) == 3
        assert processes.listening(ports) == []
        assert demo.left_behind() == {}
        assert not (demo.run / "demo.env").exists()


@pytest.mark.parametrize(
    ("after", "within_seconds", "number", "seed"),
    [
        (STARTED, 1.0, signal.SIGTERM, 2),
        pytest.param("Certsmith", 4.0, signal.SIGINT, 1, marks=pytest.mark.soak),
        pytest.param(MIGRATED, 1.5, signal.SIGINT, 3, marks=pytest.mark.soak),
        pytest.param(READY, 1.0, signal.SIGKILL, 4, marks=pytest.mark.soak),
    ],
)
async def test_whenever_it_is_ended_it_leaves_nothing(
    server_folder: Path, after: str, within_seconds: float, number: signal.Signals, seed: int
) -> None:
    moment = random.Random(seed).uniform(0, within_seconds)
    print(f"{number.name} {moment:.3f} s after {after!r}")  # noqa: T201 - to be repeated by hand
    with running(server_folder) as demo:
        await demo.says(after)
        await asyncio.sleep(moment)  # the moment is what this is about

        demo.signal(number)
        if number is signal.SIGINT:
            demo.signal(number)  # the end itself is not to be disturbed

        code = await demo.ended()
        await nothing_is_left(demo)
        assert code in (0, 130, -number), demo.text
        assert "Traceback" not in demo.text
        assert number is signal.SIGKILL or [path.name for path in server_folder.glob("certsmith-*/*")] == []


async def test_given_servers_are_used_and_left_as_they_were(
    server_folder: Path, rabbitmq: Broker, amqp_url: str, database_url: str, pebble: Pebble, loopback_address: str
) -> None:
    host, roots = f"shop-{secrets.token_hex(6)}.example.com", server_folder / "roots.pem"
    await pebble.dns.set_a(host, loopback_address)
    roots.write_bytes(await pebble.roots())
    login = f"{rabbitmq.user}:{rabbitmq.password}"
    given = {
        "AMQP_URL": amqp_url,
        "AMQP_MANAGEMENT_URL": rabbitmq.management_url.replace("//", f"//{login}@"),
        "DATABASE_URL": database_url,
        "AUTOCERT_CA": pebble.directory_url,
        "AUTOCERT_TRUSTED_CA_FILE": str(pebble.ca_file),
        "DEMO_DOMAINS": host,
        "DEMO_ROOTS_FILE": str(roots),
        "PROVISIONER_DNS_SERVERS": pebble.dns.address,
        "PROVISIONER_HTTP01_PORT": str(pebble.behaviour.http_port),
        "PROVISIONER_PROBE_ALLOW": "127.0.0.0/8",
        "TERMINATOR_HTTP_ADDRESS": loopback_address,
        "TERMINATOR_HTTP_PORT": str(pebble.behaviour.http_port),
        "TERMINATOR_HTTPS_ADDRESS": loopback_address,
        "TERMINATOR_HTTPS_PORT": str(pebble.behaviour.tls_port),
    }
    with running(server_folder, **given) as demo:
        code = await demo.ended()

        assert code == 0, demo.text
        assert "started no server: all are given" in demo.text
        assert f"subject {host}" in demo.text
        assert demo.left_behind() == {}
    async with open_connection(database_url, role="operator") as connection:
        living = await connection.fetchval("SELECT count(*) FROM registry.domains WHERE deleted_at IS NULL")
    assert living == 0


async def test_a_given_ca_needs_names_that_point_here(server_folder: Path) -> None:
    with running(server_folder, AUTOCERT_CA="https://ca.example.com/directory") as demo:
        assert await demo.ended() == 1
        assert "set DEMO_DOMAINS to some that point to this machine" in demo.text
        assert demo.left_behind() == {}
