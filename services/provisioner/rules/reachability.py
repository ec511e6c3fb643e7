"""How a name looks from outside, as values: what the DNS says of it, what answers under it on port 80.

That a name does not exist, or that nobody answers, is a finding and no error.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address


class DnsOutcome(StrEnum):
    """How a look-up ended, at the end of the chain of CNAMEs."""

    FOUND = "found"
    """At least one address."""
    NO_DATA = "no_data"
    """The name exists and has no address."""
    NXDOMAIN = "nxdomain"
    """The name does not exist."""
    SERVFAIL = "servfail"
    """The servers answered that they cannot tell (SERVFAIL, REFUSED and their like)."""
    TIMEOUT = "timeout"
    """No server answered in time."""
    LOOP = "loop"
    """The CNAMEs lead back to themselves, or the chain is longer than anybody follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """What the DNS says of *name*: the targets of its CNAMEs in order, and the addresses at their end.

    Names are lower case without a trailing dot. CNAMEs seen before a failure are kept: ``cnames`` may be filled
    whatever the outcome.
    """

    name: str
    outcome: DnsOutcome
    cnames: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    detail: str = ""


class ProbeOutcome(StrEnum):
    """What a request for a challenge's answer found."""

    OK = "ok"
    """The right answer."""
    MISMATCH = "mismatch"
    """Somebody answers, and with something else."""
    UNREACHABLE = "unreachable"
    """Nobody answers."""
    FORBIDDEN = "forbidden"
    """The name leads to an address that nothing is fetched from: private, loopback, link-local ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was found at *address*; *detail* is half a sentence for people, with an excerpt of a wrong answer."""

    outcome: ProbeOutcome
    address: IPv4Address | IPv6Address | None = None
    detail: str = ""
