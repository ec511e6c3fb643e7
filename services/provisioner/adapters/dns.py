"""Looks names up with dnspython: the port ``Dns``.

The servers are queried directly and in turn. A resolver sends the whole chain of CNAMEs in one answer, other servers
send its first link only. So the end of an incomplete chain is queried next, up to the number of links that resolvers
follow.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from services.provisioner.rules.reachability import DnsAnswer, DnsOutcome
from shared.errors import SettingsError

_PORT: Final = 53
_SECONDS: Final = 5.0  # for a name, all queries together
_TRY_SECONDS: Final = 1.5  # for one server's answer to one question
_ROUNDS: Final = 3  # through all servers; UDP loses packets
_MAX_LINKS: Final = 8  # of a chain of CNAMEs; Boulder's resolvers follow 11, BIND 16, and real names need at most 2
_PAYLOAD: Final = 1232  # bytes; RFC 9715 section 3.1: passes everywhere without fragments
_TYPES: Final = (dns.rdatatype.A, dns.rdatatype.AAAA)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The result of one query: the links from the name, and the addresses at their end."""

    outcome: DnsOutcome
    links: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    detail: str = ""


class DnspythonDns:
    """Queries the given servers, or those of the system."""

    def __init__(self, servers: Sequence[str] = ()) -> None:
        """Query *servers*, each ``host``, ``host:port`` or ``[address]:port``.

        Raises:
            SettingsError: one of them has another form, or there are none and the system has none either.
        """
        self._servers = tuple(_server(text) for text in servers) or _system_servers()

    async def resolve(self, name: str) -> DnsAnswer:
        """Return the CNAMEs and addresses of *name* within five seconds."""
        links: list[str] = []
        try:
            async with asyncio.timeout(_SECONDS):
                end = await self._follow(name, links)
        except TimeoutError:
            end = _Part(outcome=DnsOutcome.TIMEOUT, detail=f"no answer within {_SECONDS:g} seconds")
        return DnsAnswer(
            name=name, outcome=end.outcome, cnames=tuple(links), addresses=end.addresses, detail=end.detail
        )

    async def _follow(self, name: str, links: list[str]) -> _Part:
        """Return what is at the end of the chain from *name*, and add the chain to *links*."""
        while True:
            asked = links[-1] if links else name
            parts = await asyncio.gather(*(self._ask(asked, kind) for kind in _TYPES))
            links += max(parts, key=lambda part: len(part.links)).links
            if len(links) > _MAX_LINKS or len({name, *links}) <= len(links):
                shown = " -> ".join((name, *links[:_MAX_LINKS]))
                return _Part(outcome=DnsOutcome.LOOP, detail=f"{shown} continues without end")
            end = _joined(parts)
            if end.outcome is not DnsOutcome.NO_DATA or links[-1:] in ([], [asked]):
                return end

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> _Part:
        """Return the first answer that is not an error, else the last error."""
        try:
            query = dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD)
        except dns.exception.DNSException as error:
            return _Part(outcome=DnsOutcome.NXDOMAIN, detail=f"{name!r} is not a valid name in the DNS: {error}")
        part = _Part(outcome=DnsOutcome.TIMEOUT)
        for host, port in self._servers * _ROUNDS:
            part = await _ask_server(query, host, port)
            if part.outcome not in (DnsOutcome.TIMEOUT, DnsOutcome.SERVFAIL):
                break
        return part


async def _ask_server(query: dns.message.QueryMessage, host: str, port: int) -> _Part:
    try:
        address = await _address(host)
        response, _ = await dns.asyncquery.udp_with_fallback(
            query, address, timeout=_TRY_SECONDS, port=port, ignore_unexpected=True
        )
    except dns.exception.Timeout:
        return _Part(outcome=DnsOutcome.TIMEOUT, detail=f"the DNS server {host} does not answer")
    except (dns.exception.DNSException, OSError, EOFError) as error:
        return _Part(outcome=DnsOutcome.TIMEOUT, detail=f"the DNS server {host} cannot be queried: {error}")
    return _read(response)


async def _address(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
        return str(found[0][4][0])
    return host


def _read(response: dns.message.Message) -> _Part:
    """Return the result in *response*; a CNAME chain in it is followed to its end."""
    question = response.question[0]
    rcode = response.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        text = dns.rcode.to_text(rcode)
        return _Part(outcome=DnsOutcome.SERVFAIL, detail=f"{question.name.to_text(omit_final_dot=True)}: {text}")
    targets = {each.name: each[0].target for each in response.answer if each.rdtype == dns.rdatatype.CNAME and each}
    owner, links = question.name, list[str]()
    while owner in targets and len(links) <= _MAX_LINKS:
        owner = targets[owner]
        links.append(owner.to_text(omit_final_dot=True).lower())
    addresses = tuple(_addresses(response.answer, owner, question.rdtype))
    outcome = DnsOutcome.FOUND if addresses else DnsOutcome.NO_DATA
    if rcode == dns.rcode.NXDOMAIN:  # RFC 2308 section 2.1: of the last name of the chain
        outcome, addresses = DnsOutcome.NXDOMAIN, ()
    return _Part(outcome=outcome, links=tuple(links), addresses=addresses)


def _addresses(
    answer: Iterable[dns.rrset.RRset], owner: dns.name.Name, kind: dns.rdatatype.RdataType
) -> Iterable[Address]:
    for each in answer:
        if each.name == owner and each.rdtype == kind:
            yield from (ip_address(record.address) for record in each)


def _joined(parts: Sequence[_Part]) -> _Part:
    """Return the results for A and AAAA as one; an address of either type is enough."""
    addresses = tuple(address for part in parts for address in part.addresses)
    if addresses:
        return _Part(outcome=DnsOutcome.FOUND, addresses=addresses)
    order = (DnsOutcome.NXDOMAIN, DnsOutcome.SERVFAIL, DnsOutcome.TIMEOUT, DnsOutcome.NO_DATA)
    return min(parts, key=lambda part: order.index(part.outcome))


def _server(text: str) -> tuple[str, int]:
    """Return the host and port that *text* names."""
    try:
        return str(ip_address(text)), _PORT
    except ValueError:
        host, colon, port = text.rpartition(":") if "]" not in text or "]:" in text else (text, "", "")
    host = (host if colon else text).removeprefix("[").removesuffix("]")
    if not host or (colon and not (port.isdecimal() and 0 < int(port) < 1 << 16)):
        raise SettingsError(
            f"PROVISIONER_DNS_SERVERS: {text!r} is not a server; expected host, host:port or [address]:port"
        )
    return host, int(port) if colon else _PORT


def _system_servers() -> tuple[tuple[str, int], ...]:
    try:
        resolver = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration as error:
        raise SettingsError(
            f"PROVISIONER_DNS_SERVERS is not set, and the system has no DNS servers: {error}"
        ) from error
    return tuple((str(server), resolver.port) for server in resolver.nameservers)
