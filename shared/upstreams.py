"""Upstreams: the destinations of a domain's decrypted bytes, written as URLs.

This release forwards to `tcp://host:port`. Parsing is not the only check: each dial checks the resolved addresses
again, because the DNS may have changed by then.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from shared.errors import PermanentError, Reason

SCHEMES: Final = frozenset({"tcp"})
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class UpstreamRefusedError(PermanentError):
    """A text that cannot be an upstream; *reason* has a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A parsed upstream; *host* is a name, or an address without brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse(text: str) -> Upstream:
    """Return *text* as an upstream.

    Raises:
        UpstreamRefusedError: *text* is malformed, has an unsupported scheme, or an address that is never dialled.
    """
    shown = ascii(text)
    expected = "tcp://host:port is expected"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UpstreamRefusedError("upstream_malformed", f"upstream {shown}: {error}; {expected}") from None
    if parts.scheme not in SCHEMES:
        raise UpstreamRefusedError("upstream_scheme", f"upstream {shown} has an unsupported scheme; {expected}")
    if not host or not port or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise UpstreamRefusedError("upstream_malformed", f"upstream {shown} is not a host and a port; {expected}")
    try:
        address: Address | None = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None and not _HOST.fullmatch(host):
        raise UpstreamRefusedError("upstream_malformed", f"upstream {shown} has no valid host name; {expected}")
    if address is not None and (why := never_dialled(address)):
        raise UpstreamRefusedError("upstream_address", f"upstream {shown} is {why}, which is never forwarded to")
    return Upstream(parts.scheme, host, port)


def never_dialled(address: Address) -> str | None:
    """Return the kind of *address* if it must never be dialled; None for all others.

    Link-local addresses lead to cloud metadata services; no upstream can be at the others.
    """
    plain = _unmapped(address)
    if plain.is_link_local:
        return "a link-local address"
    if plain.is_multicast:
        return "a multicast address"
    if plain.is_unspecified or plain == ipaddress.IPv4Address("255.255.255.255"):
        return "not the address of a host"
    return None


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped one (RFC 4291 section 2.5.5.2), so that it evades no rule."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
