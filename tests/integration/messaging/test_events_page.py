"""Every program in docs/events.md does what the page says, on a real broker and a real database."""

import asyncio
import base64
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

import aio_pika
import aiormq
import pytest
import pytest_asyncio

from certsmith.migration import principals
from certsmith.rotation import generation
from dev.certificates import Authority
from dev.folders import run_folder
from dev.servers.rabbitmq import RabbitMQ
from dev.waiting import finished
from shared.events import FACTS, PUBLIC, CertificateUploaded, DomainChanged, DomainCreated, Event, Incoming, ReasonCode
from shared.messaging.broker import topology
from shared.messaging.codec.cloudevents import decode
from shared.messaging.message import message_of
from shared.messaging.publisher import Publisher
from shared.vault import KeyFiles
from shared.vault.intake import SealedUpload
from tests.rig.events_page import BLOCKS, PAGE, ROOT, block
from tests.rig.messaging.support import manager_url, until

PUBLISHING = ("binary.example", "structured.example", "cli.example", "bare.example")
UPLOADING = ("SealedBox(", "crypto_box_seal(", "--bundle shop.pem")

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


@dataclass
class Reader:
    """A broker as the page assumes, and an environment as its reader has."""

    url: str
    folder: Path
    environment: dict[str, str]

    async def run(self, text: str) -> None:
        """Run the block that contains *text* to its end."""
        command = block(text, folder=self.folder)
        process = await asyncio.create_subprocess_exec(*command, env=self.environment, cwd=self.folder)
        assert await finished(process.wait(), f"{text!r} to end") == 0

    async def received(self, queue: str = "provisioner.domain.created") -> Incoming:
        """Return the request in *queue*, as its handler would get it."""
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            incoming = await (await channel.get_queue(queue, ensure=False)).get()
            await incoming.ack()
        return decode(message_of(incoming), expected=queue.partition(".")[2], received_at=datetime.now(UTC))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page_rabbitmq() -> AsyncIterator[RabbitMQ]:
    """Yield a broker for the page's examples only: they use fixed names for the users and the virtual host."""
    with run_folder("page") as folder:
        async with await RabbitMQ.start(folder / "rabbitmq") as server:
            yield server


@pytest_asyncio.fixture
async def reader(page_rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[Reader]:
    """Yield the environment of the page's reader: logins of a publisher and an administrator, curl and certsmith."""
    url = page_rabbitmq.amqp_url
    publisher = page_rabbitmq.url_for("publisher", secrets.token_urlsafe(16))
    await topology.declare(url, manager_url(page_rabbitmq), settle_seconds=0)
    await principals.permit(url, manager_url(page_rabbitmq), {"publisher": publisher})
    (tmp_path / "certsmith").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m certsmith "$@"\n')
    (tmp_path / "certsmith").chmod(0o755)
    if shutil.which("curl") is None:
        (tmp_path / "curl").write_text(f"#!{sys.executable}\n{CURL}")
        (tmp_path / "curl").chmod(0o755)
    yield Reader(
        url,
        tmp_path,
        {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "AMQP_URL": publisher,
            "AMQP_MANAGEMENT_URL": manager_url(page_rabbitmq),
            "SHOP_AMQP_URL": page_rabbitmq.url_for("shop", "choose-a-better-one"),
        },
    )


async def test_every_program_for_publishing_publishes(reader: Reader) -> None:
    for name in PUBLISHING:
        await reader.run(name)

        event = await reader.received()
        assert isinstance(event.data, DomainCreated)
        assert event.data.domain == name
        has_id = name != "bare.example"
        assert (event.id is not None, event.time is not None) == (has_id, has_id)


async def test_the_program_for_listening_receives_facts_and_may_do_nothing_else(reader: Reader) -> None:
    await reader.run("/api/users/shop")
    process = await asyncio.create_subprocess_exec(
        *block("shop.facts", folder=reader.folder), env=reader.environment, stdout=asyncio.subprocess.PIPE
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
            line = (await finished(process.stdout.readline(), "a line of the program")).decode()
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


async def test_every_program_for_uploading_seals_what_the_validator_opens(reader: Reader) -> None:
    keys = KeyFiles(keys_dir=reader.folder / "rings")
    generation.generate(keys.keys_dir)
    shutil.copy(keys.keys_dir / "intake.public.json", reader.folder)
    certificate, private_key = Authority.create("A customer's own").issue("shop.example.com")
    (reader.folder / "shop.pem").write_bytes(certificate)
    (reader.folder / "shop.key").write_bytes(private_key)

    for name in UPLOADING:
        await reader.run(name)

        data = (await reader.received("validator.certificate.uploaded")).data
        assert isinstance(data, CertificateUploaded)
        opened = keys.upload_reader().open(
            SealedUpload(intake_key_id=data.intake_key_id, ciphertext=base64.b64decode(data.sealed, validate=True)),
            certificate_id=data.certificate_id,
            tenant="acme",
            bundle=data.certificate_pem.encode(),
            now=datetime.now(UTC),
        )
        assert (data.tenant, data.attach) == ("acme", ("shop.example.com",))
        assert (data.certificate_pem.encode(), opened.encode()) == (certificate, private_key)


def test_every_block_of_the_page_is_run_by_a_test() -> None:
    tried = (*PUBLISHING, *UPLOADING, "/api/users/shop", "shop.facts")

    assert [[language for language, code in BLOCKS if text in code] for text in tried] == [
        *(["python"], ["python"], ["sh"], ["sh"]),
        *(["python"], ["js"], ["sh"]),
        *(["sh"], ["python"]),
    ]
    assert len(BLOCKS) == len(tried)


@pytest.mark.parametrize("name", [*PUBLIC, *FACTS])
def test_every_type_is_in_the_tables_with_all_its_fields(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    model = {**PUBLIC, **FACTS}[name]

    named = set(re.findall(r"`(\w+)`", row))
    assert set(model.model_fields) <= named or name == "domain.updated"


def test_every_code_of_the_codec_is_explained() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "shared" / "messaging").rglob("*.py"))
    codes = {ReasonCode[name] for name in re.findall(r"ReasonCode\.([A-Z0-9_]+)", sources)}

    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
    assert len(codes) > 8


def test_every_code_of_an_upload_itself_is_explained() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "services" / "validator").rglob("*.py"))
    intake = (ROOT / "shared" / "vault" / "intake.py").read_text()
    codes = {
        *(ReasonCode[name] for name in re.findall(r"ReasonCode\.([A-Z0-9_]+)", sources)),
        *re.findall(r'SealedUploadError\(\s*"(\w+)"', intake),
    }

    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
    assert len(codes) > 20
