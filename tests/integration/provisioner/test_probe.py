"""Our own HTTP-01 answer, seen from outside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

import pytest
from aiohttp import web

from dev.ports import free_address, free_port
from services.provisioner.adapters.probe import is_allowed, open_probe
from services.provisioner.rules.reachability import DnsAnswer, DnsOutcome, Probe, ProbeOutcome

NAME = "shop.example.com"
TOKEN = "dG9rZW4"
EXPECTED = f"{TOKEN}.thumbprint"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FixedDns:
    """Gives the same answer for every name."""

    def __init__(self, *addresses: str, outcome: DnsOutcome = DnsOutcome.FOUND) -> None:
        self.addresses = tuple(map(ip_address, addresses))
        self.outcome = outcome
        self.asked = 0

    async def resolve(self, name: str) -> DnsAnswer:
        """Return the answer."""
        self.asked += 1
        return DnsAnswer(name=name, outcome=self.outcome, addresses=self.addresses)


@asynccontextmanager
async def a_site(handler: Handler, *addresses: str, port: int) -> AsyncIterator[list[web.Request]]:
    """Serve *handler*, and yield the list of requests received."""
    seen = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await handler(request)

    application = web.Application()
    application.router.add_get("/.well-known/acme-challenge/{token}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for address in addresses:
            await web.TCPSite(runner, address, port).start()
        yield seen
    finally:
        await runner.cleanup()


def answering(text: str, status: int = 200, **headers: str) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=text, status=status, headers=headers)

    return handle


async def probe(handler: Handler, address: str = "127.0.0.1") -> Probe:
    port = free_port()
    async with a_site(handler, address, port=port), open_probe(FixedDns(address), port=port, allow=LOOPBACK) as found:
        return await found.fetch(NAME, token=TOKEN, expected=EXPECTED)


@pytest.mark.parametrize("text", [EXPECTED, f"{EXPECTED}\n", f"{EXPECTED} \r\n"])
async def test_the_right_answer_is_seen(text: str) -> None:
    assert await probe(answering(text)) == Probe(outcome=ProbeOutcome.OK, address=ip_address("127.0.0.1"))


async def test_the_request_has_the_name_and_the_token() -> None:
    port = free_port()

    async with (
        a_site(answering(EXPECTED), "127.0.0.1", port=port) as seen,
        open_probe(FixedDns("127.0.0.1"), port=port, allow=LOOPBACK) as probe,
    ):
        await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)

    (request,) = seen
    assert request.host == f"{NAME}:{port}"
    assert request.path == f"/.well-known/acme-challenge/{TOKEN}"


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (
            answering("<html>  This domain\nis parked </html>"),
            "answers with HTTP status 200 and '<html> This domain is",
        ),
        (answering("not found", 404), "HTTP status 404"),
        (answering(EXPECTED, 500), "HTTP status 500"),
        (answering("", 301, Location="https://shop.example.com/"), "redirects to 'https://shop.example.com/'"),
        (answering(f"x{EXPECTED}"), "HTTP status 200"),
        (answering(EXPECTED + "x" * (1 << 20)), "HTTP status 200"),
    ],
    ids=["parked", "404", "500", "redirect", "prefix", "1 MiB"],
)
async def test_a_wrong_answer_is_shown(handler: Handler, words: str) -> None:
    found = await probe(handler)

    assert found.outcome is ProbeOutcome.MISMATCH
    assert words in found.detail
    assert len(found.detail) < 200


async def test_a_closed_port_is_unreachable() -> None:
    async with open_probe(FixedDns("127.0.0.1"), port=free_port(), allow=LOOPBACK) as probe:
        found = await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)

    assert found.outcome is ProbeOutcome.UNREACHABLE
    assert "127.0.0.1 does not answer" in found.detail


async def test_a_site_that_never_answers_is_given_up() -> None:
    async def silent(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    found = await probe(silent)

    assert found.outcome is ProbeOutcome.UNREACHABLE
    assert "does not answer within 5 seconds" in found.detail


async def test_an_answer_that_is_not_http_is_unreachable() -> None:
    port = free_port()

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(greet, "127.0.0.1", port),
        open_probe(FixedDns("127.0.0.1"), port=port, allow=LOOPBACK) as probe,
    ):
        found = await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)

    assert found.outcome is ProbeOutcome.UNREACHABLE


async def test_the_next_address_is_tried_only_if_a_connection_fails() -> None:
    port, here, elsewhere = free_port(), free_address(), free_address()

    async with (
        a_site(answering(EXPECTED), here, port=port),
        open_probe(FixedDns(elsewhere, here), port=port, allow=LOOPBACK) as probe,
    ):
        reached = await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)
        async with a_site(answering("somebody else"), elsewhere, port=port):
            decided = await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)

    assert (reached.outcome, reached.address) == (ProbeOutcome.OK, ip_address(here))
    assert (decided.outcome, decided.address) == (ProbeOutcome.MISMATCH, ip_address(elsewhere))


async def test_ipv6_decides_before_ipv4() -> None:
    port = free_port()

    async with (
        a_site(answering("somebody else"), "::1", port=port),
        a_site(answering(EXPECTED), "127.0.0.1", port=port),
        open_probe(FixedDns("127.0.0.1", "::1"), port=port, allow=LOOPBACK) as probe,
    ):
        found = await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)

    assert (found.outcome, found.address) == (ProbeOutcome.MISMATCH, ip_address("::1"))


async def test_nothing_is_fetched_from_an_address_that_is_not_public() -> None:
    port = free_port()

    async with (
        a_site(answering(EXPECTED), "127.0.0.1", port=port) as seen,
        open_probe(FixedDns("127.0.0.1"), port=port) as probe,
    ):
        found = await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)

    assert found.outcome is ProbeOutcome.FORBIDDEN
    assert "127.0.0.1" in found.detail
    assert seen == []


@pytest.mark.parametrize("outcome", [DnsOutcome.NXDOMAIN, DnsOutcome.NO_DATA, DnsOutcome.SERVFAIL, DnsOutcome.TIMEOUT])
async def test_a_name_without_addresses_is_unreachable(outcome: DnsOutcome) -> None:
    async with open_probe(FixedDns(outcome=outcome), port=free_port()) as probe:
        found = await probe.fetch(NAME, token=TOKEN, expected=EXPECTED)

    assert found.outcome is ProbeOutcome.UNREACHABLE
    assert NAME in found.detail


async def test_a_known_answer_of_the_dns_is_not_queried_again() -> None:
    dns = FixedDns("127.0.0.1")
    known = await dns.resolve(NAME)

    async with open_probe(dns, port=free_port(), allow=LOOPBACK) as probe:
        await probe.fetch(NAME, token=TOKEN, expected=EXPECTED, known=known)

    assert dns.asked == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "ff0e::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::101:101",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_reached(address: str) -> None:
    assert not is_allowed(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are_reached(address: str) -> None:
    assert is_allowed(ip_address(address))


def test_a_network_may_be_allowed() -> None:
    assert is_allowed(ip_address("10.1.2.3"), [ip_network("10.0.0.0/8")])
    assert not is_allowed(ip_address("10.1.2.3"), [ip_network("fc00::/7"), ip_network("192.168.0.0/16")])
