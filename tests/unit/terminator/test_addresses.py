"""Which addresses an upstream may have."""

import ipaddress

import pytest

from services.terminator.worker.upstream.addresses import refusal

NONE: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
INTERNAL = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "10.0.0.5", "192.168.1.1", "2001:db8::1", "fd12::1", "64:ff9b::c000:201", "100.64.0.1"]
)
def test_public_and_private_addresses_may_be_dialled(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), allow=NONE, deny=NONE) is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%2",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "2001:0:a9fe:a9fe:0:0:5601:5601",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "255.255.255.255",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
    ],
)
def test_forbidden_addresses_are_refused_even_when_allowed(address: str) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

    assert refusal(ipaddress.ip_address(address), allow=everything, deny=NONE) is not None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_dialled_only_when_it_is_allowed(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), allow=NONE, deny=NONE) is not None
    assert refusal(ipaddress.ip_address(address), allow=LOOPBACK, deny=NONE) is None


def test_denied_networks_are_refused_except_for_allowed_parts() -> None:
    allow = (ipaddress.ip_network("10.1.0.0/16"),)

    assert refusal(ipaddress.ip_address("10.0.0.5"), allow=allow, deny=INTERNAL) is not None
    assert refusal(ipaddress.ip_address("::ffff:10.0.0.5"), allow=allow, deny=INTERNAL) is not None
    assert refusal(ipaddress.ip_address("64:ff9b::a00:5"), allow=allow, deny=INTERNAL) is not None
    assert refusal(ipaddress.ip_address("fd00::5"), allow=allow, deny=INTERNAL) is not None
    assert refusal(ipaddress.ip_address("10.1.0.5"), allow=allow, deny=INTERNAL) is None
