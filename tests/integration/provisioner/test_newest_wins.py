"""Requests that come twice, late and out of order: the newest wins, and tombstones hold."""

import secrets
from datetime import UTC, datetime, timedelta

import asyncpg

from services.provisioner.app import OUTSIDE
from tests.integration.provisioner.conftest import World

NOW = datetime.now(UTC)


def a_name() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


def at(seconds: float) -> dict[str, str]:
    """Return the attributes of an event of *seconds* ago."""
    return {
        "id": secrets.token_hex(8),
        "source": "/platform",
        "specversion": "1.0",
        "time": (NOW - timedelta(seconds=seconds)).isoformat(),
    }


async def domain_of(world: World, name: str) -> asyncpg.Record:
    row = await world.database.fetchrow("SELECT id, version, deleted_at FROM registry.domains WHERE name = $1", name)
    assert row is not None
    return row


async def settled(world: World) -> None:
    """Return when every event published before has been handled."""
    marker = a_name()
    await world.publish("domain.deleted", {"domain": marker}, **at(0), type="domain.deleted")
    await world.until("SELECT true FROM registry.domains WHERE name = $1", marker)


async def test_a_deleted_domain_stays_deleted_when_its_creation_comes_late(world: World) -> None:
    name = a_name()

    async with world.provisioner():
        await world.publish("domain.deleted", {"domain": name}, **at(10), type="domain.deleted")
        await world.until("SELECT true FROM registry.domains WHERE name = $1", name)
        await world.publish("domain.created", {"domain": name}, **at(20), type="domain.created")
        await world.until("SELECT count(*) = 2 FROM messaging.inbox")

    assert await world.database.fetchval("SELECT deleted_at IS NOT NULL FROM registry.domains WHERE name = $1", name)
    assert await world.database.fetchval("SELECT count(*) FROM provisioner.orders") == 0


async def test_deleted_and_created_again_it_has_its_old_id_and_a_new_certificate(world: World) -> None:
    name = a_name()
    await world.point_here(name)

    async with world.provisioner():
        await world.publish("domain.created", {"domain": name}, **at(30), type="domain.created")
        first = await world.certificate_of(name)
        before = await domain_of(world, name)
        await world.publish("domain.deleted", {"domain": name}, **at(20), type="domain.deleted")
        await world.until("SELECT deleted_at IS NOT NULL FROM registry.domains WHERE name = $1", name)
        assert await world.database.fetchval("SELECT count(*) FROM registry.key_wraps") == 0
        await world.publish("domain.created", {"domain": name}, **at(10), type="domain.created")
        await world.until("SELECT automatic_certificate_id <> $2 FROM registry.domains WHERE name = $1", name, first)

    after = await domain_of(world, name)
    assert after["id"] == before["id"]
    assert after["version"] > before["version"]
    assert after["deleted_at"] is None


async def test_an_older_update_does_not_replace_a_newer_one(world: World) -> None:
    name = a_name()
    await world.point_here(name)

    async with world.provisioner():
        await world.publish("domain.created", {"domain": name}, **at(30), type="domain.created")
        await world.certificate_of(name)
        newer = {"domain": name, "upstream": "tcp://new.example.com:80"}
        await world.publish("domain.updated", newer, **at(10), type="domain.updated")
        await world.until("SELECT upstream FROM registry.domains WHERE name = $1", name)
        older = {"domain": name, "upstream": "tcp://old.example.com:80"}
        await world.publish("domain.updated", older, **at(20), type="domain.updated")
        await world.until("SELECT count(*) = 3 FROM messaging.inbox")

    upstream = await world.database.fetchval("SELECT upstream FROM registry.domains WHERE name = $1", name)
    assert upstream == "tcp://new.example.com:80"


async def test_a_domain_deleted_while_its_order_runs_gets_no_certificate(world: World) -> None:
    name = a_name()
    await world.pebble.dns.set_a(name, "127.0.0.99")

    async with world.provisioner(platform_addresses=("127.0.0.99",)):
        await world.publish("domain.created", {"domain": name}, **at(30), type="domain.created")
        await world.until("SELECT state = 'validating' FROM provisioner.orders")
        await world.publish("domain.deleted", {"domain": name}, **at(20), type="domain.deleted")
        await world.until("SELECT cancelled_at IS NOT NULL FROM provisioner.orders")
        await world.point_here(name)
        await settled(world)

    assert await world.database.fetchval("SELECT count(*) FROM registry.challenges") == 0
    assert await world.database.fetchval("SELECT count(*) FROM registry.certificates") == 0
    assert await world.database.fetchval("SELECT count(*) FROM registry.key_wraps") == 0


async def test_a_domain_updated_while_its_order_runs_keeps_the_order_and_the_update(world: World) -> None:
    name = a_name()
    await world.pebble.dns.set_a(name, "127.0.0.99")

    async with world.provisioner(platform_addresses=("127.0.0.99", world.address)):
        await world.publish("domain.created", {"domain": name}, **at(30), type="domain.created")
        await world.until("SELECT state = 'validating' FROM provisioner.orders")
        await world.point_here(name)
        update = {"domain": name, "upstream": "tcp://new.example.com:80"}
        await world.publish("domain.updated", update, **at(20), type="domain.updated")
        await world.certificate_of(name)

    assert await world.database.fetchval("SELECT count(*) FROM provisioner.orders") == 1
    assert await world.database.fetchval("SELECT upstream FROM registry.domains") == "tcp://new.example.com:80"


async def test_another_key_type_asked_for_meanwhile_cancels_the_order_and_opens_another(world: World) -> None:
    name = a_name()

    async with world.provisioner():
        await world.publish("domain.created", {"domain": name}, **at(30), type="domain.created")
        await world.until("SELECT state = 'waiting_dns' FROM provisioner.orders")
        policy = {"domain": name, "certificate_management_policy": {"private_key_type": "rsa"}}
        await world.publish("domain.updated", policy, **at(20), type="domain.updated")
        await world.until("SELECT count(*) = 2 FROM provisioner.orders")
        await world.point_here(name)
        await world.certificate_of(name)

    assert await world.database.fetchval("SELECT key_type FROM registry.certificates") == "rsa"
    cancelled = await world.database.fetch("SELECT key_type FROM provisioner.orders WHERE cancelled_at IS NOT NULL")
    assert [row["key_type"] for row in cancelled] == ["ecdsa"]


async def test_a_name_goes_to_the_tenant_whose_target_its_dns_shows(world: World) -> None:
    name, zone = a_name(), f"edge-{secrets.token_hex(4)}.example.net"
    await world.point_here(name)

    async with world.provisioner(platform_zone=zone):
        await world.publish("domain.created", {"domain": name, "tenant": "first"})
        first = await world.certificate_of(name, tenant="first")
        await world.publish("domain.created", {"domain": name, "tenant": "second"})
        waiting = await world.until(
            "SELECT message FROM provisioner.orders WHERE tenant = 'second' AND message IS NOT NULL"
        )
        domain_id = await world.database.fetchval("SELECT id FROM registry.domains WHERE tenant = 'second'")
        target = f"{domain_id.replace('_', '-')}.{zone}"
        await world.point_here(target)
        await world.pebble.dns.clear(name)
        await world.pebble.dns.set_cname(name, target)
        second = await world.certificate_of(name, tenant="second")

    assert "already registered by another tenant" in waiting
    assert target in waiting
    assert first != second
    holders = await world.database.fetch("SELECT tenant FROM registry.domains WHERE name = $1 AND holds_name", name)
    assert [row["tenant"] for row in holders] == ["second"]


async def test_a_renewal_asked_for_twice_makes_one_more_certificate(world: World) -> None:
    name = a_name()
    await world.point_here(name)
    request = at(5)

    async with world.provisioner(outside=OUTSIDE):
        await world.publish("domain.created", {"domain": name})
        first = await world.certificate_of(name)
        for _ in range(2):
            await world.publish(
                "certificate.renewal_requested", {"domain": name}, **request, type="certificate.renewal_requested"
            )
        await world.until("SELECT automatic_certificate_id <> $2 FROM registry.domains WHERE name = $1", name, first)
        await settled(world)

    assert (await world.pebble.issued_certificates())[name] == 2
