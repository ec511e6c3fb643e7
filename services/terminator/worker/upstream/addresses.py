"""Which addresses an upstream may have: customers choose upstreams, and must not reach the platform's own services.

An address is checked when it is dialled, after its name was resolved: earlier results of the same name prove nothing.
Pure: nothing is looked up here.
"""

import ipaddress
from collections.abc import Iterator
from typing import Final

from shared.upstreams import Address, never_dialled

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Where clouds give secrets to their machines; the link-local ones among them are never dialled anyway.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "fd00:ec2::254",  # AWS, instance metadata over IPv6
            "fd20:ce::254",  # Google Cloud, the same
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure, wire server
        ),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")  # RFC 4291 section 2.5.5.1
_LOWEST_COMPATIBLE: Final = 2  # ::0 and ::1 embed no IPv4 address
_IPV4_BITS: Final = 0xFFFFFFFF


def refusal(address: Address, *, allow: tuple[Network, ...], deny: tuple[Network, ...]) -> str | None:
    """Return the reason why *address* must not be dialled, None when it may be.

    Private networks are allowed unless the operator denies them: upstreams usually are in one.
    """
    for form in _forms(address):
        if what := never_dialled(form):
            return f"{address} is {what}"
        if form in _METADATA:
            return f"{address} is where a cloud keeps its machines' secrets"
        if form.is_loopback and not _within(form, allow):
            return f"{address} is this machine itself, which TERMINATOR_UPSTREAM_ALLOW does not name"
        if _within(form, deny) and not _within(form, allow):
            return f"{address} is in a network that TERMINATOR_UPSTREAM_DENY names"
    return None


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _forms(address: Address) -> Iterator[Address]:
    """Yield *address*, and the IPv4 address that the system or a gateway would translate it to."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        number = int(address)
        if inner is None and number >= _LOWEST_COMPATIBLE and (address in _NAT64 or address in _COMPATIBLE):
            inner = ipaddress.IPv4Address(number & _IPV4_BITS)
        if inner is not None:
            yield inner
        if address.ipv4_mapped:  # it is that IPv4 address, and nothing else
            return
    yield address
