"""Look-ups at real DNS servers."""

import asyncio
import time
from ipaddress import ip_address

import dns.rcode
import pytest

from dev.ports import free_port
from dev.servers.pebble import Pebble
from services.provisioner.adapters.dns import DnspythonDns
from services.provisioner.rules.reachability import DnsOutcome
from shared.errors import SettingsError
from tests.rig.nameserver import SILENT, NameServer

SHOP = "shop.example.com"
TARGET = "rd-1.edge.example.net"
ZONE = {
    SHOP: [("CNAME", f"{TARGET}.")],
    TARGET: [("CNAME", "edge.example.net.")],
    "edge.example.net": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")],
    "apex.example.com": [("A", "192.0.2.7")],
    "six.example.com": [("AAAA", "2001:db8::7")],
    "mail.example.com": [("TXT", '"no addresses here"')],
    "dangling.example.com": [("CNAME", "nowhere.example.net.")],
    "self.example.com": [("CNAME", "self.example.com.")],
    "ping.example.com": [("CNAME", "pong.example.com.")],
    "pong.example.com": [("CNAME", "ping.example.com.")],
    "silent.example.com": [(SILENT, "")],
    "half.example.com": [("CNAME", "silent.example.com.")],
    **{f"{link}.chain.example.com": [("CNAME", f"{link + 1}.chain.example.com.")] for link in range(12)},
    "12.chain.example.com": [("A", "192.0.2.12")],
}


@pytest.mark.parametrize("follows", [False, True], ids=["one link at a time", "whole chains"])
async def test_a_chain_is_followed_to_its_addresses(follows: bool) -> None:  # noqa: FBT001 - a parameter
    async with NameServer(ZONE, follows=follows).serving() as server:
        found = await DnspythonDns([server.address]).resolve(SHOP)

    assert found.outcome is DnsOutcome.FOUND
    assert found.cnames == (TARGET, "edge.example.net")
    assert found.addresses == (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    assert found.name == SHOP


@pytest.mark.parametrize("follows", [False, True], ids=["one link at a time", "whole chains"])
@pytest.mark.parametrize(
    ("name", "outcome", "cnames"),
    [
        ("apex.example.com", DnsOutcome.FOUND, ()),
        ("six.example.com", DnsOutcome.FOUND, ()),
        ("mail.example.com", DnsOutcome.NO_DATA, ()),
        ("nobody.example.com", DnsOutcome.NXDOMAIN, ()),
        ("dangling.example.com", DnsOutcome.NXDOMAIN, ("nowhere.example.net",)),
        ("5.chain.example.com", DnsOutcome.FOUND, tuple(f"{link}.chain.example.com" for link in range(6, 13))),
        (f"{'a' * 64}.example.com", DnsOutcome.NXDOMAIN, ()),
    ],
)
async def test_each_end_of_a_chain_has_its_own_outcome(
    name: str,
    outcome: DnsOutcome,
    cnames: tuple[str, ...],
    follows: bool,  # noqa: FBT001 - a parameter
) -> None:
    async with NameServer(ZONE, follows=follows).serving() as server:
        found = await DnspythonDns([server.address]).resolve(name)

    assert (found.outcome, found.cnames) == (outcome, cnames)


@pytest.mark.parametrize("name", ["self.example.com", "ping.example.com", "0.chain.example.com"])
async def test_a_chain_without_an_end_is_given_up(name: str) -> None:
    async with NameServer(ZONE).serving() as server:
        found = await DnspythonDns([server.address]).resolve(name)

    assert found.outcome is DnsOutcome.LOOP
    assert found.detail
    assert len(server.asked) <= 2 * 10


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP])
async def test_an_error_of_the_server_is_not_a_finding_about_the_name(rcode: dns.rcode.Rcode) -> None:
    async with NameServer(ZONE, rcode=rcode).serving() as server:
        found = await DnspythonDns([server.address]).resolve("apex.example.com")

    assert found.outcome is DnsOutcome.SERVFAIL
    assert rcode.name in found.detail


async def test_the_next_server_is_queried_after_an_error() -> None:
    async with NameServer(ZONE, rcode=dns.rcode.SERVFAIL).serving() as bad, NameServer(ZONE).serving() as good:
        found = await DnspythonDns([bad.address, good.address]).resolve("apex.example.com")

    assert found.outcome is DnsOutcome.FOUND


async def test_the_next_server_is_queried_if_one_is_down() -> None:
    async with NameServer(ZONE).serving() as good:
        found = await DnspythonDns([f"127.0.0.1:{free_port()}", good.address]).resolve("apex.example.com")

    assert found.outcome is DnsOutcome.FOUND


async def test_a_look_up_without_an_answer_ends_after_five_seconds_and_keeps_the_links_seen() -> None:
    started = time.monotonic()

    async with NameServer(ZONE).serving() as server:
        found = await DnspythonDns([server.address]).resolve("half.example.com")

    assert found.outcome is DnsOutcome.TIMEOUT
    assert found.cnames == ("silent.example.com",)
    assert time.monotonic() - started < 6


async def test_a_truncated_answer_is_queried_by_tcp() -> None:
    async with NameServer(ZONE, truncates=True).serving() as server:
        found = await DnspythonDns([server.address]).resolve("apex.example.com")

    assert found.addresses == (ip_address("192.0.2.7"),)


async def test_cancelling_is_not_swallowed() -> None:
    async with NameServer(ZONE).serving() as server:
        task = asyncio.ensure_future(DnspythonDns([server.address]).resolve("silent.example.com"))
        while not server.asked:
            await asyncio.sleep(0)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def test_servers_may_be_given_by_name() -> None:
    async with NameServer(ZONE).serving() as server:
        found = await DnspythonDns([f"localhost:{server.port}"]).resolve("apex.example.com")

    assert found.outcome is DnsOutcome.FOUND


async def test_challtestsrv_s_aliases_and_failures_are_understood(pebble: Pebble) -> None:
    resolver = DnspythonDns([pebble.dns.address])
    await pebble.dns.set_cname("alias.dns.example.com", "target.dns.example.com")
    await pebble.dns.set_cname("target.dns.example.com", "end.dns.example.com")
    await pebble.dns.set_a("end.dns.example.com", "192.0.2.3")
    await pebble.dns.servfail("broken.dns.example.com")

    alias = await resolver.resolve("alias.dns.example.com")
    unset = await resolver.resolve("unset.dns.example.com")
    broken = await resolver.resolve("broken.dns.example.com")

    assert alias.cnames == ("target.dns.example.com", "end.dns.example.com")
    assert alias.addresses == (ip_address("192.0.2.3"),)
    assert unset.outcome is DnsOutcome.NO_DATA
    assert broken.outcome is DnsOutcome.SERVFAIL


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
        ("ns.example.com", ("ns.example.com", 53)),
        ("ns.example.com:5353", ("ns.example.com", 5353)),
    ],
)
def test_a_server_is_a_host_with_or_without_a_port(text: str, server: tuple[str, int]) -> None:
    assert DnspythonDns([text])._servers == (server,)


@pytest.mark.parametrize(
    "text", ["", ":53", "ns.example.com:", "ns.example.com:dns", "192.0.2.53:0", "192.0.2.53:65536"]
)
def test_a_malformed_server_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="PROVISIONER_DNS_SERVERS"):
        DnspythonDns([text])
