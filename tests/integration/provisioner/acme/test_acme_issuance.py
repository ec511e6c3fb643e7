"""Successful orders at a real Pebble."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509

from dev.servers.ca_gate import CaGate
from dev.servers.faults import Endpoint
from dev.servers.pebble import Behaviour, Pebble
from services.provisioner import csr
from services.provisioner.rules.acme import AuthorityError, AuthorizationStatus, OrderStatus, Phase
from services.provisioner.rules.ca_errors.classify import verdict
from services.provisioner.rules.ca_errors.verdict import Remedy
from tests.rig.acme import Client, a_client, soon


async def test_a_proven_name_gets_a_certificate_that_chains_to_the_root(client: Client) -> None:
    made = csr.make(["whole.example.com"], key_type="ecdsa")

    order = await client.order("whole.example.com")
    assert (order.status, order.names) == (OrderStatus.PENDING, ("whole.example.com",))
    authorization = await client.authorization(order)
    assert (authorization.name, authorization.wildcard) == ("whole.example.com", False)
    assert authorization.status is AuthorizationStatus.PENDING
    order = await client.prove(order)
    assert order.status is OrderStatus.READY
    order = await client.finalize(order, made.request)
    assert order.status is OrderStatus.VALID
    assert order.certificate_url is not None
    leaf, issuer = await client.account.certificate(order.certificate_url, deadline=soon())

    (root,) = x509.load_pem_x509_certificates(await client.ca.roots())
    certificate, intermediate = x509.load_der_x509_certificate(leaf), x509.load_der_x509_certificate(issuer)
    certificate.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["whole.example.com"]
    assert csr.public_key_of(made.request) == made.public_key
    assert (await client.ca.issued_certificates())["whole.example.com"] == 1


async def test_one_order_covers_several_names(client: Client) -> None:
    order = await client.issue("one.several.example.com", "two.several.example.com")

    assert order.status is OrderStatus.VALID
    assert len(order.authorization_urls) == 2


async def test_an_account_is_registered_once_for_its_key(client: Client) -> None:
    again = client.authorities.account(directory_url=client.directory_url, key_pkcs8=client.key, url=None)

    first = await client.account.register(contact=None, external_account=None, deadline=soon())
    second = await again.register(contact=None, external_account=None, deadline=soon())

    assert first == second
    assert first.thumbprint == client.account.thumbprint


async def test_another_process_can_use_the_account_by_its_url_alone(client: Client) -> None:
    account = await client.account.register(contact=None, external_account=None, deadline=soon())
    order = await client.order("goes-on.example.com")
    other = client.authorities.account(directory_url=client.directory_url, key_pkcs8=client.key, url=account.url)

    assert await other.order(order.url, deadline=soon()) == order


async def test_a_second_finalization_is_refused_and_harmless(client: Client) -> None:
    ready = await client.prove(await client.order("twice.example.com"))
    request = csr.make(ready.names, key_type="ecdsa").request
    valid = await client.finalize(ready, request)

    with pytest.raises(AuthorityError) as caught:
        await client.account.finalize(ready, request, deadline=soon())

    assert caught.value.phase is Phase.FINALIZE
    assert verdict(caught.value, name="twice.example.com").remedy is Remedy.REREAD
    assert await client.account.order(ready.url, deadline=soon()) == valid
    assert (await client.ca.issued_certificates())["twice.example.com"] == 1


async def test_a_chain_can_be_fetched_again(client: Client) -> None:
    order = await client.issue("again.example.com")
    assert order.certificate_url is not None

    first = await client.account.certificate(order.certificate_url, deadline=soon())

    assert await client.account.certificate(order.certificate_url, deadline=soon()) == first


async def test_an_unchanged_order_is_returned_when_patience_ends(client: Client) -> None:
    order = await client.order("idle.example.com")
    started = asyncio.get_running_loop().time()

    same = await client.account.settled(order, patience_seconds=0.3, deadline=soon())

    assert same.status is OrderStatus.PENDING
    assert asyncio.get_running_loop().time() - started < 5


async def test_answering_a_decided_challenge_asks_to_read_the_order_again(client: Client) -> None:
    order = await client.order("late-answer.example.com")
    challenge = (await client.authorization(order)).challenge("http-01")
    assert challenge is not None
    await client.prove(order)

    with pytest.raises(AuthorityError) as caught:
        await client.account.answer(challenge.url, deadline=soon())

    assert verdict(caught.value, name="late-answer.example.com").remedy is Remedy.REREAD


async def test_an_unfinished_order_is_found_among_many(client: Client) -> None:
    wanted = ("b.lost.example.com", "a.lost.example.com")
    for number in range(4):  # Pebble lists three on a page
        await client.order(f"{number}.other.example.com")
    lost = await client.order(*wanted)
    await client.order("a.lost.example.com")
    done = await client.issue("done.lost.example.com")

    assert [each.url for each in await client.account.unfinished_orders(wanted, deadline=soon())] == [lost.url]
    assert await client.account.unfinished_orders(done.names, deadline=soon()) == ()


async def test_known_orders_are_not_read(gate: CaGate, gated: Client) -> None:
    ours = await gated.order("known.example.com")
    listed: list[str] = []

    async def known(urls: Sequence[str]) -> Sequence[str]:
        listed.extend(urls)
        return urls

    assert await gated.account.unfinished_orders(ours.names, known=known, deadline=soon()) == ()
    assert listed == [ours.url]
    assert gate.count(Endpoint.ORDER) == 0


async def test_a_ready_order_is_unfinished_too(client: Client) -> None:
    ready = await client.prove(await client.order("ready.example.com"))

    assert [each.url for each in await client.account.unfinished_orders(ready.names, deadline=soon())] == [ready.url]


async def test_an_order_needs_one_fetched_nonce(gate: CaGate, gated: Client) -> None:
    order = await gated.issue("nonces.example.com")

    assert order.status is OrderStatus.VALID
    assert gate.count(Endpoint.NONCE) == 1
    assert gate.count(Endpoint.DIRECTORY) == 1


async def test_orders_succeed_with_half_of_all_nonces_refused(server_folder: Path, loopback_address: str) -> None:
    behaviour = Behaviour(nonce_reject_percent=50)
    async with (
        await Pebble.start(server_folder / "pebble", behaviour) as pebble,
        a_client(pebble, loopback_address) as client,
    ):
        names = [f"{number}.nonces.example.com" for number in range(24)]
        turns = asyncio.Semaphore(6)

        async def issue(name: str) -> OrderStatus:
            async with turns:
                return (await client.issue(name)).status

        assert set(await asyncio.gather(*map(issue, names))) == {OrderStatus.VALID}
        assert await pebble.issued_certificates() == dict.fromkeys(names, 1)


async def test_many_orders_of_one_account_run_side_by_side(gated: Client) -> None:
    names = [f"{number}.many.example.com" for number in range(60)]

    orders = await asyncio.gather(*(gated.issue(name) for name in names))

    assert {order.status for order in orders} == {OrderStatus.VALID}
    issued = await gated.ca.issued_certificates()
    assert {name: issued[name] for name in names} == dict.fromkeys(names, 1)
