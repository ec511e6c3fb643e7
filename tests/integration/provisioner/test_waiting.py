"""Orders that wait, and the messages that people get meanwhile."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from services.provisioner.adapters.acme.account import HttpAcmeAccount
from services.provisioner.adapters.acme.certificate_authorities import (
    HttpCertificateAuthorities,
    open_certificate_authorities,
)
from services.provisioner.app import OUTSIDE
from services.provisioner.ports import CertificateAuthorities
from tests.integration.provisioner.conftest import World


def a_name() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


async def message_of(world: World, name: str) -> str:
    """Return the message of the order of *name*, once it waits."""
    query = (
        "SELECT o.message FROM provisioner.orders AS o JOIN registry.domains AS d ON d.id = o.domain_id "
        "WHERE d.name = $1 AND o.message IS NOT NULL"
    )
    return str(await world.until(query, name))


async def test_a_name_without_dns_waits_with_the_missing_record_and_goes_on_when_it_is_there(world: World) -> None:
    name = a_name()

    async with world.provisioner(platform_zone="edge.example.net"):
        await world.publish("domain.created", {"domain": name})
        message = await message_of(world, name)
        order = await world.order_of(name)
        await world.point_here(name)
        await world.certificate_of(name)

    target = order["domain_id"].replace("_", "-") + ".edge.example.net"
    assert order["state"] == "waiting_dns"
    assert order["error_code"] == "DNS_ERROR"
    assert f"create the CNAME record {name} -> {target}" in message
    assert world.address in message
    assert (await world.order_of(name))["message"] is None


async def test_a_cname_to_its_own_target_is_enough(world: World) -> None:
    name = a_name()
    zone = f"edge-{secrets.token_hex(4)}.example.net"

    async with world.provisioner(platform_zone=zone, platform_addresses=("192.0.2.1",)):
        await world.publish("domain.created", {"domain": name})
        await message_of(world, name)
        target = (await world.order_of(name))["domain_id"].replace("_", "-") + "." + zone
        await world.point_here(target)
        await world.pebble.dns.set_cname(name, target)

        assert await world.certificate_of(name)


async def test_nothing_is_asked_of_the_ca_while_our_own_answer_cannot_be_seen(world: World) -> None:
    name = a_name()
    await world.pebble.dns.set_a(name, "127.0.0.99")

    async with world.provisioner(platform_addresses=("127.0.0.99",)):
        await world.publish("domain.created", {"domain": name})
        message = await message_of(world, name)
        order = await world.order_of(name)

    assert "port 80 must be open" in message
    assert order["state"] == "validating"
    assert order["attempt"] == 0


async def test_a_failed_validation_is_published_and_retried_with_a_new_order_and_the_same_key(world: World) -> None:
    name = a_name()
    await world.pebble.dns.set_a(name, "127.0.0.99")

    async with world.provisioner(platform_addresses=("127.0.0.99", world.address), self_check=False):
        await world.publish("domain.created", {"domain": name})
        await world.until("SELECT max(attempt) >= 1 FROM provisioner.orders")
        failed = await world.order_of(name)
        await world.point_here(name)
        await world.certificate_of(name)

    assert failed["error_code"] == "VALIDATION_ERROR"
    assert "urn:ietf:params:acme:error:connection" in failed["problem"]
    assert "must point it to this platform" in failed["message"]
    issued = await world.order_of(name)
    assert (issued["id"], issued["key_id"]) == (failed["id"], failed["key_id"])
    assert issued["order_url"] != failed["order_url"]


async def test_a_wildcard_fails_with_what_to_do(world: World) -> None:
    async with world.provisioner():
        await world.publish("domain.created", {"domain": "*.shop.example.com"})
        message = await message_of(world, "*.shop.example.com")

    order = await world.order_of("*.shop.example.com")
    assert order["state"] == "failed"
    assert "DNS-01" in message


async def test_orders_over_the_limit_wait_and_name_the_time(world: World) -> None:
    first, second = a_name(), a_name()
    await world.point_here(first, second)

    async with world.provisioner(new_orders_per_3_hours=1):
        await world.publish("domain.created", {"domain": first})
        await world.certificate_of(first)
        await world.publish("domain.created", {"domain": second})
        message = await message_of(world, second)

    assert "can be ordered at" in message
    order = await world.order_of(second)
    assert (order["state"], order["error_code"]) == ("keyed", "RATE_LIMITED")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"domain": '"; DROP TABLE'}, "name_characters"),
        ({"domain": "a" * 300}, "name_too_long"),
        ({"domain": "192.0.2.1"}, "name_is_address"),
        ({"domain": "_x.example.com"}, "name_underscore"),
        ({"domain": "a.*.example.com"}, "name_wildcard_position"),
        ({"domain": "co.uk"}, "name_public_suffix"),
        ({"domain": "shop.example.com", "upstream": "tcp://169.254.169.254:80"}, "upstream_address"),
        ({"domain": "shop.example.com", "attached_certificate_id": "cert_of_nobody"}, "certificate_unfit"),
    ],
)
async def test_a_bad_request_is_rejected_with_its_reason_and_kept(
    world: World, data: dict[str, str], code: str
) -> None:
    async with world.provisioner():
        await world.publish("domain.created", data)
        reason_code = await world.until("SELECT reason_code FROM messaging.dead_letters")

    assert reason_code == code
    assert await world.database.fetchval("SELECT count(*) FROM registry.domains") == 0


async def test_an_internationalized_name_is_stored_as_its_a_label(world: World) -> None:
    unique = secrets.token_hex(4)
    await world.point_here(f"xn--bcher-kva.{unique}.example.com")

    async with world.provisioner():
        await world.publish("domain.created", {"domain": f"Bücher.{unique}.example.com"})

        assert await world.certificate_of(f"xn--bcher-kva.{unique}.example.com")


async def test_an_unexpected_error_is_written_to_the_row_and_retried(world: World) -> None:
    name = a_name()
    await world.point_here(name)
    calls = 0

    class Stumbling(HttpCertificateAuthorities):
        """Fails once with an unexpected error."""

        def account(self, **given: Any) -> HttpAcmeAccount:
            nonlocal calls
            calls += 1
            if calls == 2:  # the first is to learn the thumbprint
                raise ZeroDivisionError
            return super().account(**given)

    @asynccontextmanager
    async def authorities(trusted_ca_pem: str | None) -> AsyncIterator[CertificateAuthorities]:
        async with open_certificate_authorities(trusted_ca_pem=trusted_ca_pem) as real:
            yield Stumbling(real._transport, clock=real._clock)

    async with world.provisioner(outside=replace(OUTSIDE, authorities=authorities)):
        await world.publish("domain.created", {"domain": name})
        message = await message_of(world, name)
        order = await world.order_of(name)
        await world.database.execute("UPDATE provisioner.orders SET next_attempt_at = now()")
        await world.certificate_of(name)

    assert "the provisioner's log" in message
    assert order["error_code"] == "INTERNAL_ERROR"
