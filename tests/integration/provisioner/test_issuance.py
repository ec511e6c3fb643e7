"""From an event to a stored certificate, on real servers."""

import asyncio
import secrets

from cryptography import x509

from shared.registry.certificates import find
from shared.store import open_pool
from tests.integration.provisioner.conftest import World


def a_name() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


async def test_a_published_domain_gets_a_certificate(world: World) -> None:
    name = a_name()
    await world.point_here(name)

    async with world.provisioner():
        await world.publish("domain.created", {"domain": name, "upstream": "tcp://127.0.0.1:8080"})
        certificate_id = await world.certificate_of(name)

    async with open_pool(world.database_url, role="operator") as pool, pool.acquire() as connection:
        certificate = await find(connection, certificate_id)
    assert certificate is not None
    assert certificate.facts.names == (name,)
    assert certificate.chain
    leaf = x509.load_der_x509_certificate(certificate.leaf)
    leaf.verify_directly_issued_by(x509.load_der_x509_certificate(certificate.chain[0]))
    order = await world.order_of(name)
    assert (order["state"], order["certificate_id"], order["attempt"]) == ("issued", certificate_id, 0)
    assert await world.database.fetchval("SELECT count(*) FROM registry.challenges") == 0


async def test_five_copies_at_once_make_one_order_and_one_certificate(world: World) -> None:
    name = a_name()
    await world.point_here(name)
    event = {"id": "one", "source": "/shop", "type": "domain.created", "specversion": "1.0"}

    async with world.provisioner(), world.provisioner(holder="second"):
        copies = [world.publish("domain.created", {"domain": name}, **event) for _ in range(5)]
        bare = [world.publish("domain.created", {"domain": name}) for _ in range(5)]
        await asyncio.gather(*copies, *bare)
        await world.certificate_of(name)

    assert await world.database.fetchval("SELECT count(*) FROM provisioner.orders") == 1
    assert (await world.pebble.issued_certificates())[name] == 1
