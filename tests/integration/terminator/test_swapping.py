"""Certificates are replaced under traffic; after a deployment is published, no visitor sees an older certificate."""

import asyncio
import shutil
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from dev.waiting import within
from services.terminator.rules.selection import Domain
from tests.builders.client_hello import extension, hello, server_name, vector, versions
from tests.fakes.terminator_store import Issuer, MemoryStore, careless_context
from tests.rig.terminator.node import LOOPBACK, Rig, echo, running_node, until, upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP, WILDCARD = "shop.example.com", "*.example.com"
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def leaf(domain: Domain) -> bytes:
    assert domain.automatic is not None
    return domain.automatic.leaf


def retried_hello(name: str) -> bytes:
    """Return a ClientHello without a key share, as RFC 8446 section 4.2.8 lets a client ask for a HelloRetryRequest."""
    return hello(
        server_name(name.encode()),
        versions(0x0304),
        extension(10, vector(b"\x00\x1d", 2)),  # supported_groups: x25519
        extension(13, vector(b"\x04\x03", 2)),  # signature_algorithms: ecdsa_secp256r1_sha256
        extension(51, vector(b"", 2)),  # key_share
    )


async def asked_again(rig: Rig, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection on which the server has asked for another ClientHello."""
    reader, writer = await asyncio.open_connection(LOOPBACK, rig.https_port)
    writer.write(retried_hello(name))
    assert (await reader.read(65536))[11:43] == RETRY_RANDOM
    return reader, writer


@dataclass(slots=True)
class Seen:
    """The certificates that visitors saw, with the start of each handshake; and the errors."""

    handshakes: list[tuple[float, int]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def test_no_connection_fails_while_the_certificate_is_replaced_fifty_times(issuer: Issuer) -> None:
    seen, published, over = Seen(), list[tuple[float, int]](), asyncio.Event()
    async with upstream(echo) as address, running_node(MemoryStore(), issuer.reader, workers=2) as rig:
        rows = [issuer.domain(SHOP, address) for _ in range(51)]
        numbers = {leaf(row): number for number, row in enumerate(rows)}
        await rig.host(rows[0])
        await rig.shown(SHOP)

        async def visit() -> None:
            while not over.is_set():
                began = time.monotonic()
                try:
                    reader, writer = await rig.tls(SHOP)
                    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                    writer.write(b"hello")
                    assert await reader.readexactly(5) == b"hello"
                    writer.transport.abort()
                except Exception as error:  # noqa: BLE001 - whatever goes wrong is a failure
                    seen.failures.append(repr(error))
                else:
                    seen.handshakes.append((began, numbers[shown]))
                await asyncio.sleep(0.02)

        async def stay() -> None:
            reader, writer = await rig.tls(SHOP)
            while not over.is_set():
                writer.write(b"still here")
                assert await reader.readexactly(10) == b"still here"
                await asyncio.sleep(0.02)
            writer.transport.abort()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(visit())
                tasks.create_task(stay())
            for number, row in enumerate(rows[1:], start=1):
                rig.store.put(row)
                rig.node.hint(SHOP)
                await until(lambda: len(rig.store.published) == number, "the deployment is published")  # noqa: B023 - called in this turn
                published.append((time.monotonic(), number))
            over.set()

    assert seen.failures == []
    assert len(seen.handshakes) > 50
    for began, number in seen.handshakes:
        assert number >= max((newest for at, newest in published if at < began), default=0)


async def test_a_name_asked_for_before_its_registration_is_served_right_after_it(rig: Rig, issuer: Issuer) -> None:
    with_default = await rig.shown(SHOP, context=careless_context())

    row = await rig.host(issuer.domain(SHOP))

    assert await rig.shown(SHOP) == leaf(row) != with_default


async def test_a_deleted_domain_is_no_longer_served(rig: Rig, issuer: Issuer) -> None:
    row = await rig.host(issuer.domain(SHOP))
    assert await rig.shown(SHOP) == leaf(row)
    rig.store.delete(SHOP)

    rig.node.hint(SHOP)
    await until(lambda: rig.node.is_settled, "the hint is acted on")

    assert await rig.shown(SHOP, context=careless_context()) != leaf(row)


async def test_a_hint_about_a_wildcard_swaps_all_names_below_it(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(WILDCARD))
    await rig.shown(SHOP)
    await rig.shown("other.example.com")

    row = await rig.host(issuer.domain(WILDCARD))

    assert await rig.shown(SHOP) == await rig.shown("other.example.com") == leaf(row)


async def test_an_exact_name_takes_over_from_its_wildcard(rig: Rig, issuer: Issuer) -> None:
    wildcard = await rig.host(issuer.domain(WILDCARD))
    assert await rig.shown(SHOP) == leaf(wildcard)

    exact = await rig.host(issuer.domain(SHOP))

    assert await rig.shown(SHOP) == leaf(exact)
    assert await rig.shown("other.example.com") == leaf(wildcard)


async def test_a_deployment_is_not_published_while_a_handshake_may_show_the_old_certificate(
    rig: Rig, issuer: Issuer
) -> None:
    await rig.host(issuer.domain(SHOP))
    await rig.shown(SHOP)
    _, writer = await asked_again(rig, SHOP)
    row = rig.store.put(issuer.domain(SHOP))

    rig.node.hint(SHOP)
    async with within("the new certificate to be shown"):
        while await rig.shown(SHOP) != leaf(row):  # new handshakes do not wait
            await asyncio.sleep(0)
    assert row.version not in [item.version for item in rig.store.published]
    writer.transport.abort()

    await until(lambda: row.version in [item.version for item in rig.store.published], "the deployment is published")


async def test_a_client_that_does_not_answer_a_hello_retry_delays_a_deployment_only_briefly(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, handshake_seconds=0.5) as rig:
        await rig.host(issuer.domain(SHOP))
        await rig.shown(SHOP)
        _, writer = await asked_again(rig, SHOP)

        row = await rig.host(issuer.domain(SHOP))

        await until(
            lambda: row.version in [item.version for item in rig.store.published], "the deployment is published"
        )
        writer.transport.abort()


async def test_a_real_client_is_served_after_a_hello_retry(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    openssl = shutil.which("openssl")
    assert openssl is not None

    client = await asyncio.create_subprocess_exec(
        openssl, "s_client", "-connect", f"{LOOPBACK}:{rig.https_port}", "-servername", SHOP, "-groups", "P-384:X25519",
        "-msg", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    said, _ = await client.communicate()

    assert said.count(b"ServerHello") == 2
    assert b"subject=CN = shop.example.com" in said


async def test_a_hint_while_the_store_is_unavailable_drops_nothing(rig: Rig, issuer: Issuer) -> None:
    row = await rig.host(issuer.domain(SHOP))
    assert await rig.shown(SHOP) == leaf(row)
    rig.store.available = False

    rig.node.hint(SHOP)
    assert await rig.shown(SHOP) == leaf(row)
    newer = rig.store.put(issuer.domain(SHOP))
    rig.store.available = True
    await until(lambda: newer.version in [item.version for item in rig.store.published], "the deployment is published")

    assert await rig.shown(SHOP) == leaf(newer)


async def test_changes_whose_hints_were_lost_are_found_by_polling(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    await rig.shown(SHOP)
    newer = rig.store.put(issuer.domain(SHOP))

    rig.node.catch_up()
    await until(lambda: newer.version in [item.version for item in rig.store.published], "the deployment is published")

    assert await rig.shown(SHOP) == leaf(newer)


async def test_evicted_names_are_served_again(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, max_names=2, max_contexts=2) as rig:
        rows = [await rig.host(issuer.domain(f"{letter}.example.com")) for letter in "abc"]

        for row in rows * 2:
            assert await rig.shown(row.name) == leaf(row)

        await until(lambda: rig.node.workers.gauges[0][2] <= 2, "no worker has more than two contexts")


async def test_a_context_expires_with_its_certificate(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader) as rig:
        ends = datetime.now(UTC) + timedelta(seconds=1.5)
        attached = replace(issuer.certificate(SHOP), not_after=ends)
        row = await rig.host(replace(issuer.domain(SHOP), attached=attached))
        assert await rig.shown(SHOP) == attached.leaf
        rig.store.available = False  # everything is cached already

        async with within("the attached certificate to end"):
            while await rig.shown(SHOP) == attached.leaf:
                await asyncio.sleep(0.1)

        assert await rig.shown(SHOP) == leaf(row)
        assert datetime.now(UTC) > ends
