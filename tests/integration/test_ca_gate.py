"""The gate in front of Pebble keeps Pebble alive under load, and injects faults."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from dev.ports import free_address
from dev.servers.ca_gate import CaGate
from dev.servers.faults import Delay, DropAnswer, Endpoint, HoldAnswer, Reset, rate_limited, unavailable
from dev.servers.pebble import Behaviour, Pebble
from dev.waiting import finished
from services.provisioner import csr
from services.provisioner.adapters.acme.account import HttpAcmeAccount
from services.provisioner.adapters.acme.certificate_authorities import open_certificate_authorities
from services.provisioner.rules.acme import AuthorityError, CaOrder, OrderStatus

PATIENCE_SECONDS = 600.0  # of the client, which is what is not tested here


@pytest_asyncio.fixture
async def ca(server_folder: Path) -> AsyncIterator[Pebble]:
    """Yield a Pebble for which every name has the same address."""
    behaviour = Behaviour(default_address=free_address())
    async with await Pebble.start(server_folder / "pebble", behaviour) as pebble:
        yield pebble


@pytest_asyncio.fixture
async def gate(ca: Pebble) -> AsyncIterator[CaGate]:
    """Yield an open gate in front of *ca*."""
    async with CaGate(ca) as gate:
        yield gate


@pytest_asyncio.fixture
async def client(gate: CaGate) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield an HTTP client that trusts the gate."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(gate.ca_file)), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.mark.parametrize(
    ("count", "in_flight"),
    [(40, 20), (130, 128), *(pytest.param(200, flight, marks=pytest.mark.soak) for flight in (20, 128))],
)
async def test_many_orders_are_issued_through_the_gate(ca: Pebble, gate: CaGate, count: int, in_flight: int) -> None:
    names = [f"name-{number}.test" for number in range(count)]
    turns = asyncio.Semaphore(in_flight)
    async with AsyncExitStack() as stack:
        accounts = [await _account(stack, gate) for _ in range(4)]  # each has at most 32 connections
        await _serve_answers(stack, ca, accounts)

        async def issue(number: int, name: str) -> CaOrder:
            async with turns:
                return await _issue(accounts[number % len(accounts)], name)

        issuing = asyncio.gather(*(issue(number, name) for number, name in enumerate(names)))
        orders = await finished(issuing, "all orders to be issued", seen=lambda: len(gate.seen))

    assert {order.status for order in orders} == {OrderStatus.VALID}
    assert await ca.issued_certificates() == dict.fromkeys(names, 1)


async def test_urls_lead_back_through_the_gate(gate: CaGate, client: aiohttp.ClientSession) -> None:
    async with client.get(gate.directory_url) as response:
        directory = await response.json()

    assert directory["newOrder"] == gate.directory_url.replace("/dir", "/order-plz")


async def test_each_fault_is_applied_to_one_request(gate: CaGate, client: aiohttp.ClientSession) -> None:
    gate.inject(
        Endpoint.DIRECTORY,
        unavailable(retry_after="120"),
        rate_limited("too many new orders recently", retry_after="3600"),
    )

    async with client.get(gate.directory_url) as away:
        assert (away.status, away.headers["Retry-After"]) == (503, "120")
    async with client.get(gate.directory_url) as limited:
        assert (limited.status, limited.headers["Retry-After"]) == (429, "3600")
        problem = await limited.json(content_type="application/problem+json")
        assert problem["type"] == "urn:ietf:params:acme:error:rateLimited"
    async with client.get(gate.directory_url) as well:
        assert well.status == 200
    assert [seen.status for seen in gate.seen] == [503, 429, 200]


async def test_a_reset_request_does_not_reach_the_authority(
    ca: Pebble, gate: CaGate, client: aiohttp.ClientSession
) -> None:
    before = ca.log_text().count("/nonce-plz")
    gate.inject(Endpoint.NONCE, Reset())

    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(gate.directory_url.replace("/dir", "/nonce-plz"))  # a GET would be sent again

    assert ca.log_text().count("/nonce-plz") == before
    assert gate.seen[-1].status is None


async def test_the_authority_carries_out_a_request_whose_answer_is_dropped(
    ca: Pebble, gate: CaGate, client: aiohttp.ClientSession
) -> None:
    before = ca.log_text().count("/nonce-plz")
    gate.inject(Endpoint.NONCE, DropAnswer())

    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(gate.directory_url.replace("/dir", "/nonce-plz"))  # a GET would be sent again

    assert ca.log_text().count("/nonce-plz") == before + 1


async def test_a_held_answer_waits_for_its_release(gate: CaGate, client: aiohttp.ClientSession) -> None:
    held = HoldAnswer()
    gate.inject(Endpoint.DIRECTORY, held)
    request = asyncio.ensure_future(client.get(gate.directory_url))

    await finished(held.reached.wait(), "the request to come")
    assert not request.done()
    held.release.set()
    async with await finished(request, "the answer") as response:
        assert response.status == 200


async def test_a_delayed_request_is_answered_later(gate: CaGate, client: aiohttp.ClientSession) -> None:
    gate.inject(Endpoint.DIRECTORY, Delay(0.2))
    started = time.monotonic()

    async with client.get(gate.directory_url) as response:
        assert response.status == 200
    assert time.monotonic() - started >= 0.2


async def test_a_closed_gate_is_unreachable_until_it_is_opened_again(
    gate: CaGate, client: aiohttp.ClientSession
) -> None:
    await gate.close()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.get(gate.directory_url)

    await gate.open()
    async with client.get(gate.directory_url) as response:
        assert response.status == 200


async def test_a_gate_closes_at_once_though_an_answer_is_held(gate: CaGate, client: aiohttp.ClientSession) -> None:
    held = HoldAnswer()
    gate.inject(Endpoint.NEW_ORDER, held)
    request = asyncio.ensure_future(client.post(gate.directory_url.replace("/dir", "/order-plz")))

    await finished(held.reached.wait(), "the request to come")
    await finished(gate.close(), "the gate to close")

    with pytest.raises(aiohttp.ClientConnectionError):
        await request


async def _account(stack: AsyncExitStack, gate: CaGate) -> HttpAcmeAccount:
    authorities = await stack.enter_async_context(open_certificate_authorities(trusted_ca_pem=gate.ca_file.read_text()))
    account = authorities.account(directory_url=gate.directory_url, key_pkcs8=authorities.new_key(), url=None)
    await account.register(contact=None, external_account=None, deadline=_deadline())
    return account


async def _serve_answers(stack: AsyncExitStack, ca: Pebble, accounts: list[HttpAcmeAccount]) -> None:
    """Answer HTTP-01 validations; the name identifies the order."""

    async def answer(request: web.Request) -> web.Response:
        number = int(request.host.removeprefix("name-").partition(".")[0])
        return web.Response(text=f"{request.match_info['token']}.{accounts[number % len(accounts)].thumbprint}")

    application = web.Application()
    application.router.add_get("/.well-known/acme-challenge/{token}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, ca.behaviour.default_address, ca.behaviour.http_port).start()


async def _issue(account: HttpAcmeAccount, name: str) -> CaOrder:
    order = await account.new_order([name], deadline=_deadline())
    for url in order.authorization_urls:
        authorization = await account.authorization(url, deadline=_deadline())
        challenge = authorization.challenge("http-01")
        assert challenge
        await account.answer(challenge.url, deadline=_deadline())
    order = await account.settled(order, patience_seconds=PATIENCE_SECONDS, deadline=_deadline())
    request = csr.make([name], key_type="ecdsa").request
    order = await account.finalize(order, request, deadline=_deadline())
    return await account.settled(order, patience_seconds=PATIENCE_SECONDS, deadline=_deadline())


def _deadline() -> float:
    return asyncio.get_running_loop().time() + PATIENCE_SECONDS


async def test_a_dropped_answer_is_that_of_a_request_that_was_carried_out(server_folder: Path) -> None:
    behaviour = Behaviour(default_address=free_address(), nonce_reject_percent=50)
    async with AsyncExitStack() as stack:
        ca = await stack.enter_async_context(await Pebble.start(server_folder / "refusing", behaviour))
        gate = await stack.enter_async_context(CaGate(ca))
        account = await _account(stack, gate)
        for number in range(8):
            name = f"name-{number}.test"
            gate.inject(Endpoint.NEW_ORDER, DropAnswer())

            with pytest.raises(AuthorityError):
                await account.new_order([name], deadline=_soon())

            assert len(await account.unfinished_orders([name], deadline=_soon())) == 1


def _soon() -> float:
    return asyncio.get_running_loop().time() + PATIENCE_SECONDS
