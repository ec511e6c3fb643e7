"""A domain's life as its visitors see it: deleted, created again, changed, and old events that come late."""

import asyncio
import secrets
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509

from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event
from dev.platform.service import Node
from dev.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


def event_of(kind: str, data: dict[str, Any], *, seconds_ago: float) -> dict[str, Any]:
    return {**cloud_event(kind, data), "time": (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()}


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def node(platform: Platform) -> Node:
    terminator = platform.terminator()
    await platform.run(platform.provisioner(), terminator)
    return terminator


async def shown(node: Node, host: str) -> x509.Certificate:
    """Return the certificate that is shown for *host*, from any issuer."""
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(node.address, node.https_port, ssl=anybody, server_hostname=host)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(der)


async def falls_to_the_default(node: Node, host: str) -> None:
    async def look() -> bool:
        certificate = await shown(node, host)
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return True
        return host not in names.get_values_for_type(x509.DNSName)

    await until(look, lambda: f"{host} to be answered with the default certificate")


async def test_a_deleted_domain_is_served_no_more_until_it_is_created_again(platform: Platform, node: Node) -> None:
    host = a_host()
    await platform.point_here(host)
    created = event_of("domain.created", platform.domain(host), seconds_ago=30)
    await platform.publisher.structured(created)
    first = await platform.served(host)

    await platform.publisher.structured(event_of("domain.deleted", {"domain": host}, seconds_ago=20))
    await falls_to_the_default(node, host)
    late = event_of("domain.created", platform.domain(host), seconds_ago=25)
    await platform.publisher.structured(late)
    await platform.settled()
    await falls_to_the_default(node, host)
    await platform.publisher.structured(event_of("domain.created", platform.domain(host), seconds_ago=10))
    second = await platform.served(host)

    assert first.certificate.serial_number != second.certificate.serial_number
    assert len(await platform.ledger.orders(host)) == 2


async def test_a_domain_deleted_while_its_order_runs_is_never_served(platform: Platform, node: Node) -> None:
    host = a_host()
    await platform.publisher.structured(event_of("domain.created", platform.domain(host), seconds_ago=30))
    query = "SELECT true FROM provisioner.orders WHERE names = ARRAY[$1] AND state = 'waiting_dns'"
    await until(lambda: platform.ledger.value(query, host), lambda: "the order to wait")

    await platform.publisher.structured(event_of("domain.deleted", {"domain": host}, seconds_ago=20))
    await platform.point_here(host)
    await platform.settled()

    await falls_to_the_default(node, host)
    assert host not in await platform.pebble.issued_certificates()


async def test_an_update_while_the_order_runs_counts_from_the_first_connection(platform: Platform) -> None:
    host = a_host()
    nowhere = {"domain": host, "upstream": "tcp://127.0.0.1:9"}
    await platform.publisher.structured(event_of("domain.created", nowhere, seconds_ago=30))
    query = "SELECT true FROM provisioner.orders WHERE names = ARRAY[$1] AND state = 'waiting_dns'"
    await until(lambda: platform.ledger.value(query, host), lambda: "the order to wait")

    await platform.publisher.structured(event_of("domain.updated", platform.domain(host), seconds_ago=20))
    await platform.publisher.structured(event_of("domain.updated", nowhere, seconds_ago=25))
    await platform.point_here(host)
    visit = await platform.served(host)

    assert visit.answer == b"platform: is anybody there\n"
    assert len(await platform.ledger.orders(host)) == 1
