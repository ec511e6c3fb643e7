"""Any bad input becomes a dead letter with a reason that a person understands, and the services keep working."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import aio_pika
import aio_pika.exceptions
import pytest
import pytest_asyncio

from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event
from dev.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform) -> None:
    await platform.run(platform.provisioner(), platform.terminator())


async def send(platform: Platform, routing_key: str, body: bytes, **properties: Any) -> None:
    connection = await aio_pika.connect(platform.logins.amqp_url("publisher"))
    async with connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange("certsmith.public", ensure=False)
        await exchange.publish(aio_pika.Message(body, **properties), routing_key=routing_key, timeout=10)


def data(**more: object) -> bytes:
    return json.dumps({"domain": "shop.example.com", **more}).encode()


def structured(**changes: object) -> bytes:
    event = cloud_event("domain.created", {"domain": "shop.example.com"})
    return json.dumps({**event, **changes}).encode()


CLOUD_EVENT = {"content_type": "application/cloudevents+json"}
BAD: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "malformed JSON": ("domain.created", b'{"domain": ', {}),
    "no JSON": ("domain.created", b"\x00\xff\xfe", {}),
    "an array": ("domain.created", b"[]", {}),
    "nothing": ("domain.created", b"", {}),
    "deep nesting": ("domain.created", b'{"domain":' + b"[" * 50_000 + b"]" * 50_000 + b"}", {}),
    "not a number": ("domain.created", b'{"domain": NaN}', {}),
    "an unknown type": ("domain.imagined", data(), {}),
    "a fact that only services may publish": ("certificate.ready", data(), {}),
    "a type other than the routing key": ("domain.created", structured(type="domain.deleted"), CLOUD_EVENT),
    "a missing field": ("domain.created", b"{}", {}),
    "a wrong type": ("domain.created", data(domain=7), {}),
    "an unknown field": ("domain.created", data(upsteam="tcp://127.0.0.1:80"), {}),
    "a megabyte": ("domain.created", data(metadata="x" * 1_000_000), {}),
    "a private key": ("domain.created", data(metadata="-----BEGIN PRIVATE KEY-----\nMIG"), {}),
    "SQL": ("domain.created", data(domain='"; DROP TABLE'), {}),
    "300 characters": ("domain.created", data(domain="a" * 300), {}),
    "an address": ("domain.created", data(domain="192.0.2.1"), {}),
    "an underscore": ("domain.created", data(domain="_dmarc.example.com"), {}),
    "a wildcard in the middle": ("domain.created", data(domain="a.*.example.com"), {}),
    "a public suffix": ("domain.created", data(domain="co.uk"), {}),
    "a link-local upstream": ("domain.created", data(upstream="tcp://169.254.169.254:80"), {}),
    "a domain that is not registered": ("domain.updated", data(domain=a_host()), {}),
    "an unknown version of CloudEvents": ("domain.created", structured(specversion="9.9"), CLOUD_EVENT),
    "a revocation, which no service handles yet": ("certificate.revocation_requested", data(), {}),
    "a NUL": ("domain.created", data(description="a\x00b"), {}),
}


@pytest.mark.parametrize("kind", BAD)
async def test_bad_input_becomes_a_dead_letter_with_a_reason(platform: Platform, kind: str) -> None:
    routing_key, body, properties = BAD[kind]
    newest = await platform.ledger.value("SELECT coalesce(max(id), 0) FROM messaging.dead_letters")

    await send(platform, routing_key, body, **properties)
    await until(
        lambda: platform.ledger.value("SELECT count(*) FROM messaging.dead_letters WHERE id > $1", newest),
        lambda: f"{kind} to become a dead letter",
    )

    (letter,) = await platform.ledger.rows(
        "SELECT reason_code, reason, length(body) AS size FROM messaging.dead_letters WHERE id > $1", newest
    )
    assert letter["reason_code"]
    assert 20 < len(letter["reason"]) < 600
    assert "Traceback" not in letter["reason"]
    assert letter["size"] <= 262_144


async def test_the_services_go_on_after_all_of_it(platform: Platform) -> None:
    for routing_key, body, properties in BAD.values():
        await send(platform, routing_key, body, **properties)
    host = a_host()
    await platform.point_here(host)

    await platform.publisher.bare("domain.created", platform.domain(host))

    assert (await platform.served(host)).names == [host]
    assert await platform.ledger.value("SELECT count(*) FROM registry.domains") == 1
    assert all(service.is_running for service in platform.services.values())


async def test_a_rejection_is_published(platform: Platform) -> None:
    await platform.ledger.new_facts()
    event = cloud_event("domain.created", {"domain": "co.uk"})

    await platform.publisher.structured(event)

    async def rejected() -> list[dict[str, Any]]:
        return [fact for kind, fact in await platform.ledger.new_facts() if kind == "domain.rejected"]

    (fact,) = await until(rejected, lambda: "the rejection to be published")
    assert (fact["event_id"], fact["domain"]) == (event["id"], "co.uk")
    assert [reason["code"] for reason in fact["reasons"]] == ["name_public_suffix"]


Attempt = Callable[[aio_pika.abc.AbstractChannel], Any]


async def publish_to_events(channel: aio_pika.abc.AbstractChannel) -> None:
    exchange = await channel.get_exchange("certsmith.events", ensure=False)
    await exchange.publish(aio_pika.Message(b"{}"), routing_key="certificate.ready", timeout=5)


async def publish_past_the_exchanges(channel: aio_pika.abc.AbstractChannel) -> None:
    await channel.default_exchange.publish(aio_pika.Message(b"{}"), routing_key="provisioner.domain.created", timeout=5)


async def bind_the_exchanges(channel: aio_pika.abc.AbstractChannel) -> None:
    exchange = await channel.get_exchange("certsmith.events", ensure=False)
    await exchange.bind("certsmith.public", routing_key="#", timeout=5)


async def read_a_queue(channel: aio_pika.abc.AbstractChannel) -> None:
    queue = await channel.get_queue("provisioner.domain.created", ensure=False)
    await queue.get(timeout=5, fail=False)


async def make_a_queue(channel: aio_pika.abc.AbstractChannel) -> None:
    await channel.declare_queue("provisioner.mine", timeout=5)


async def delete_a_queue(channel: aio_pika.abc.AbstractChannel) -> None:
    await channel.queue_delete("provisioner.domain.created", timeout=5)


async def claim_to_be_a_service(channel: aio_pika.abc.AbstractChannel) -> None:
    exchange = await channel.get_exchange("certsmith.public", ensure=False)
    message = aio_pika.Message(b"{}", user_id="certsmith-provisioner")
    await exchange.publish(message, routing_key="domain.created", timeout=5)


@pytest.mark.parametrize(
    "attempt",
    [
        publish_to_events,
        publish_past_the_exchanges,
        bind_the_exchanges,
        read_a_queue,
        make_a_queue,
        delete_a_queue,
        claim_to_be_a_service,
    ],
)
async def test_an_outsiders_login_may_publish_requests_and_nothing_else(platform: Platform, attempt: Attempt) -> None:
    connection = await aio_pika.connect(platform.logins.amqp_url("publisher"))
    async with connection:
        channel = await connection.channel()

        with pytest.raises((aio_pika.exceptions.ChannelClosed, aio_pika.exceptions.AMQPError)):
            await attempt(channel)


@pytest.mark.parametrize("header", ["CC", "BCC"])
async def test_copies_by_header_stay_in_the_public_exchange(platform: Platform, header: str) -> None:
    await platform.ledger.new_facts()
    newest = await platform.ledger.value("SELECT coalesce(max(id), 0) FROM messaging.dead_letters")
    others = ["certificate.ready", "domain.changed", "certsmith.events"]

    await send(platform, "domain.created", data(domain="co.uk"), headers={header: others})
    await until(
        lambda: platform.ledger.value("SELECT count(*) FROM messaging.dead_letters WHERE id > $1", newest),
        lambda: "the request to be rejected",
    )

    kinds = {kind for kind, _ in await platform.ledger.new_facts()}
    assert not kinds & {"certificate.ready", "domain.changed"}
