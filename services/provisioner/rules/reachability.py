"""A name seen from outside, as values: the answer of the DNS, and the answer on its port 80.

A name that does not exist, or a port that does not answer, is a finding and not an error.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address


class DnsOutcome(StrEnum):
    """The result of a look-up, at the end of the chain of CNAMEs."""

    FOUND = "found"
    """The name has at least one address."""
    NO_DATA = "no_data"
    """The name exists and has no address."""
    NXDOMAIN = "nxdomain"
    """The name does not exist."""
    SERVFAIL = "servfail"
    """The servers answered with an error (SERVFAIL, REFUSED, ...)."""
    TIMEOUT = "timeout"
    """No server answered in time."""
    LOOP = "loop"
    """The CNAMEs lead back to themselves, or the chain is longer than resolvers follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """The answer of the DNS for *name*: the targets of its CNAMEs in order, and the addresses at their end.

    Names are lower case without a trailing dot. CNAMEs seen before a failure are kept, so ``cnames`` may be filled
    whatever the outcome.
    """

    name: str
    outcome: DnsOutcome
    cnames: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    detail: str = ""


class ProbeOutcome(StrEnum):
    """The result of a request for a challenge's answer."""

    OK = "ok"
    """The answer was right."""
    MISMATCH = "mismatch"
    """There was an answer, and it was wrong."""
    UNREACHABLE = "unreachable"
    """There was no answer."""
    FORBIDDEN = "forbidden"
    """The name leads to an address from which nothing is fetched: private, loopback, link-local ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The result at *address*; *detail* is half a sentence for people, with an excerpt of a wrong answer."""

    outcome: ProbeOutcome
    address: IPv4Address | IPv6Address | None = None
    detail: str = ""
