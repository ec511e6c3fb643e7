"""Fetches our own HTTP-01 answer as a CA would: the port ``Http01Probe``.

The owner of the name's DNS may be hostile. So the name is resolved once and the connection goes to the address that was
checked, which must be on the public Internet or in a network that the operator allows. Redirects are not followed;
data and time are bounded.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

import aiohttp
from yarl import URL

from services.provisioner.ports import Dns
from services.provisioner.rules.reachability import DnsAnswer, DnsOutcome, Probe, ProbeOutcome

_SECONDS: Final = 5.0
_MAX_BODY: Final = 64 << 10
_SHOWN: Final = 60  # characters of a wrong answer
_MAX_ADDRESSES: Final = 4
_PATH: Final = "/.well-known/acme-challenge/"  # RFC 8555 section 8.3
_CONNECTIONS: Final = 64

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215; global in the eyes of older Pythons

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AiohttpProbe:
    """Fetches answers from *port* of the names' addresses."""

    def __init__(self, session: aiohttp.ClientSession, dns: Dns, *, port: int, allow: Sequence[Network]) -> None:
        self._session = session
        self._dns = dns
        self._port = port
        self._allow = tuple(allow)

    async def fetch(self, name: str, *, token: str, expected: str, known: DnsAnswer | None = None) -> Probe:
        """Return the answer of port 80 of *name* for *token*."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._fetch(known or await self._dns.resolve(name), token, expected)
        except TimeoutError:
            return Probe(outcome=ProbeOutcome.UNREACHABLE, detail=f"{name} does not answer within {_SECONDS:g} seconds")

    async def _fetch(self, answer: DnsAnswer, token: str, expected: str) -> Probe:
        name = answer.name
        if answer.outcome is not DnsOutcome.FOUND:
            return Probe(
                outcome=ProbeOutcome.UNREACHABLE, detail=f"{name} has no address: {answer.detail or answer.outcome}"
            )
        addresses = [address for address in answer.addresses if is_allowed(address, self._allow)]
        if not addresses:
            refused = answer.addresses[0]
            return Probe(
                outcome=ProbeOutcome.FORBIDDEN,
                address=refused,
                detail=f"{name} leads to {refused}, which is not an address of the public Internet",
            )
        probe = Probe(outcome=ProbeOutcome.UNREACHABLE)
        # As Boulder does (va/http.go): IPv6 first, and the next address only if there was no connection.
        for address in sorted(addresses, key=lambda each: -each.version)[:_MAX_ADDRESSES]:
            probe = await self._fetch_from(address, name, token, expected)
            if probe.outcome is not ProbeOutcome.UNREACHABLE:
                break
        return probe

    async def _fetch_from(self, address: Address, name: str, token: str, expected: str) -> Probe:
        host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - a version, not a number
        url = URL(f"http://{host}:{self._port}{_PATH}{token}", encoded=True)
        named = name if self._port == 80 else f"{name}:{self._port}"  # noqa: PLR2004 - HTTP's own port
        try:
            async with self._session.get(url, headers={"Host": named}, allow_redirects=False) as response:
                body = await _start_of(response)
        except (aiohttp.ClientError, OSError) as error:
            return Probe(
                outcome=ProbeOutcome.UNREACHABLE, address=address, detail=f"{address} does not answer: {_reason(error)}"
            )
        # RFC 8555 section 8.3: white space at the end of the body is ignored.
        if response.status == HTTPStatus.OK and body.rstrip() == expected.encode():
            return Probe(outcome=ProbeOutcome.OK, address=address)
        return Probe(outcome=ProbeOutcome.MISMATCH, address=address, detail=_shown(address, response, body))


def is_allowed(address: Address, allow: Sequence[Network] = ()) -> bool:
    """Return whether it is safe to fetch from *address*, which comes from untrusted DNS."""
    public = all(each.is_global and not each.is_multicast for each in (address, *_embedded(address)))
    return (public and address not in _LOCAL_NAT64) or any(address in network for network in allow)


def _embedded(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that traffic to *address* may reach: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return ()
    nat64 = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    found = (address.ipv4_mapped, address.sixtofour, nat64, *(address.teredo or ()))
    return tuple(each for each in found if each is not None)


async def _start_of(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, or its start if it is too long to be ours."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_BODY:
            break
    return body


def _shown(address: Address, response: aiohttp.ClientResponse, body: bytes) -> str:
    if response.status in range(300, 400):
        return f"{address} redirects to {response.headers.get('Location', '')[:_SHOWN]!r} instead of answering"
    text = " ".join(body[: 4 * _SHOWN].decode(errors="replace").split())[:_SHOWN]
    return f"{address} answers with HTTP status {response.status} and {text!r}"


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", error)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


@asynccontextmanager
async def open_probe(dns: Dns, *, port: int, allow: Sequence[Network] = ()) -> AsyncIterator[AiohttpProbe]:
    """Yield the probe; *allow* has the networks that may be reached although they are not public."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=True),
        timeout=aiohttp.ClientTimeout(total=_SECONDS, connect=_SECONDS / 2),
        headers={"User-Agent": "certsmith", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield AiohttpProbe(session, dns, port=port, allow=allow)
