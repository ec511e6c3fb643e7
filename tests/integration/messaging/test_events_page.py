"""Every program in docs/events.md does what the page says, on a real broker and a real database."""

import asyncio
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiormq
import pytest
import pytest_asyncio

from dev.servers.rabbitmq import RabbitMQ
from shared.events import FACTS, PUBLIC, DomainChanged, DomainCreated, Event, Incoming
from shared.messaging import principals, topology
from shared.messaging.codec import decode
from shared.messaging.publisher import Publisher
from shared.messaging.wire import message_of
from tests.integration.messaging.support import manager_url, until

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "events.md").read_text()
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


CURL = """
# What the page uses of curl, for machines that have none.
import argparse, base64, urllib.parse, urllib.request
parser = argparse.ArgumentParser()
for option in ("--fail", "--silent", "--show-error"):
    parser.add_argument(option, action="store_true")
parser.add_argument("--request", default="POST")
parser.add_argument("--header")
parser.add_argument("--data")
parser.add_argument("url")
given = parser.parse_args()
parts = urllib.parse.urlsplit(given.url)
login, _, host = parts.netloc.rpartition("@")
headers = dict([given.header.split(": ", 1)], Authorization="Basic " + base64.b64encode(login.encode()).decode())
url = parts._replace(netloc=host).geturl()
request = urllib.request.Request(url, given.data.encode(), headers, method=given.request)
urllib.request.urlopen(request, timeout=30)
"""


def block(text: str) -> list[str]:
    """Return the command line that runs the only block of the page with *text* in it."""
    ((language, code),) = [(language, code) for language, code in BLOCKS if text in code]
    return [sys.executable, "-c", code] if language == "python" else ["sh", "-euc", code]


@dataclass
class Reader:
    """A broker as the page has it, and an environment as its reader has it."""

    url: str
    environment: dict[str, str]

    async def run(self, text: str) -> None:
        """Run the block with *text* in it to its end."""
        process = await asyncio.create_subprocess_exec(*block(text), env=self.environment, cwd=ROOT)
        async with asyncio.timeout(60):
            assert await process.wait() == 0

    async def received(self) -> Incoming:
        """Return the request that is in the queue, as its handler would get it."""
        async with aiormq.Connection(self.url) as connection:
            channel = await connection.channel()
            delivered = await channel.basic_get("provisioner.domain.created")
            assert delivered.delivery_tag is not None
            await channel.basic_ack(delivered.delivery_tag)
        return decode(message_of(delivered), expected="domain.created", received_at=datetime.now(UTC))


@pytest_asyncio.fixture
async def reader(own_rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[Reader]:
    """Yield what the page's reader has: a publisher's login, an administrator's for the API, curl and certsmith."""
    url = own_rabbitmq.amqp_url
    publisher = own_rabbitmq.url_for("publisher", secrets.token_urlsafe(16))
    await topology.declare(url, manager_url(own_rabbitmq), settle_seconds=0)
    await principals.permit(url, manager_url(own_rabbitmq), {"publisher": publisher})
    (tmp_path / "certsmith").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m shared.cli "$@"\n')
    (tmp_path / "certsmith").chmod(0o755)
    if shutil.which("curl") is None:
        (tmp_path / "curl").write_text(f"#!{sys.executable}\n{CURL}")
        (tmp_path / "curl").chmod(0o755)
    yield Reader(
        url,
        {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "AMQP_URL": publisher,
            "AMQP_MANAGEMENT_URL": manager_url(own_rabbitmq),
            "SHOP_AMQP_URL": own_rabbitmq.url_for("shop", "choose-a-better-one"),
        },
    )


async def test_every_program_for_publishing_publishes(reader: Reader) -> None:
    for name, has_id in (("binary", True), ("structured", True), ("cli", True), ("bare", False)):
        await reader.run(f"{name}.example")

        event = await reader.received()
        assert isinstance(event.data, DomainCreated)
        assert event.data.domain == f"{name}.example"
        assert (event.id is not None, event.time is not None) == (has_id, has_id)


async def test_the_program_for_listening_hears_facts_and_may_do_nothing_else(reader: Reader) -> None:
    await reader.run("/api/users/shop")
    process = await asyncio.create_subprocess_exec(
        *block("shop.facts"), env=reader.environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with Publisher(reader.url, name="test") as publisher, aiormq.Connection(reader.url) as connection:
            channel = await connection.channel()

            async def heard() -> bool:
                await publisher.publish(
                    Event(data=DomainChanged(domain="a.example", version=7, deleted=False), source="certsmith/test")
                )
                found = await channel.queue_declare("shop.facts", durable=True, arguments={"x-queue-type": "quorum"})
                return bool(found.consumer_count)

            await until(heard, "the program to listen")
            await heard()
            async with asyncio.timeout(30):
                line = (await process.stdout.readline()).decode()
    finally:
        process.kill()
        await process.wait()

    kind, subject, data = line.strip().split(" ", 2)
    assert (kind, subject) == ("domain.changed", "a.example")
    assert json.loads(data.replace("'", '"').replace("False", "false"))["version"] == 7
    async with Publisher(reader.environment["SHOP_AMQP_URL"], name="test") as publisher:
        fact = Event(data=DomainChanged(domain="a.example", version=8, deleted=False), source="x")
        with pytest.raises(Exception, match="does not permit"):
            await publisher.publish(fact, seconds=0.5)


def test_every_block_is_tried() -> None:
    tried = ("binary.example", "structured.example", "cli.example", "bare.example", "/api/users/shop", "shop.facts")

    assert len(BLOCKS) == len(tried)
    assert all(block(text) for text in tried)


@pytest.mark.parametrize("name", [*PUBLIC, *FACTS])
def test_every_type_is_in_the_tables_with_all_its_fields(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    model = {**PUBLIC, **FACTS}[name]

    named = set(re.findall(r"`(\w+)`", row))
    assert set(model.model_fields) <= named or name == "domain.updated"


def test_every_code_of_the_codec_is_explained() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "shared" / "messaging").glob("*.py"))
    codes = set(re.findall(r'(?:_refusal|Reason)\(\s*"(\w+)"', sources)) | {"key_in_the_clear"}

    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
    assert len(codes) > 8
