"""Decides whether a domain's DNS points here; pure.

A name points here by a CNAME to its registration's own target (`rd-….<platform zone>`), which proves that the owner of
its DNS means this registration, or by addresses of the platform. Our view of the DNS is not the CA's, so only definite
findings hold an order back: no such name, no record, the target of another registration, addresses of which none is
ours. Everything else is left to the CA.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from services.provisioner.rules.reachability import DnsAnswer, DnsOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Where domains must point. With neither a *zone* nor *addresses*, nothing is expected of their DNS."""

    zone: str | None
    addresses: AbstractSet[IPv4Address | IPv6Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Whether this domain, of all with its name, is the one that is served; *is_free* if none of them is."""

    holds_name: bool
    is_free: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing:
    """Whether the name points here, and whether by a CNAME to its own target; if not, a *message* to its owner."""

    points_here: bool
    by_own_target: bool = False
    message: str = ""


def check(answer: DnsAnswer, *, target_label: str, platform: Platform, may_have_name: bool) -> Pointing:
    """Return whether *answer* points to the registration whose CNAME target is *target_label* in the platform's zone.

    A registration that may not have the name, because another tenant holds it, gets it by its own target only.
    """
    own = f"{target_label}.{platform.zone}" if platform.zone else None
    if own is not None and own in answer.cnames:
        return Pointing(points_here=True, by_own_target=True)
    finding = _finding(answer, platform)
    if finding is not None:
        how = _how(answer.name, own, platform)
        return Pointing(points_here=False, message=f"{finding}; the owner of its DNS must {how}")
    if not may_have_name:
        return Pointing(points_here=False, message=_held_by_another(answer.name, own))
    return Pointing(points_here=True)


def expects_nothing(platform: Platform) -> bool:
    """Return whether the platform expects nothing of domains' DNS, so that there is no need to query it."""
    return platform.zone is None and not platform.addresses


def _finding(answer: DnsAnswer, platform: Platform) -> str | None:
    """Return the definite obstacle, None when there is none."""
    name, detail = answer.name, answer.detail
    others = [target for target in answer.cnames if platform.zone and target.endswith(f".{platform.zone}")]
    if others:
        return f"{name} points to {others[0]}, which belongs to another registration"
    if answer.outcome is DnsOutcome.FOUND:
        is_ours = not platform.addresses or not platform.addresses.isdisjoint(answer.addresses)
        shown = ", ".join(str(address) for address in answer.addresses[:3])
        return None if is_ours else f"{name} points to {shown}, which is not this platform"
    return {
        DnsOutcome.NXDOMAIN: f"{name} does not exist in the DNS",
        DnsOutcome.NO_DATA: f"{name} has no address in the DNS",
        DnsOutcome.LOOP: f"the CNAME records of {name} lead nowhere: {detail or 'they form a loop'}",
        DnsOutcome.SERVFAIL: f"the DNS servers of {name} fail ({detail or 'SERVFAIL'})",
        DnsOutcome.TIMEOUT: f"the DNS servers of {name} do not answer",
    }[answer.outcome]


def _how(name: str, own: str | None, platform: Platform) -> str:
    addresses = " or ".join(str(address) for address in sorted(platform.addresses, key=str)[:2])
    by_address = f"an address record for {name} with {addresses}" if addresses else ""
    if own is None:
        return f"create {by_address}" if addresses else "create an address record that leads to this platform"
    by_cname = f"create the CNAME record {name} -> {own}"
    return f"{by_cname} (at a zone's apex: {by_address})" if addresses else by_cname


def _held_by_another(name: str, own: str | None) -> str:
    already = f"{name} is already registered by another tenant"
    return f"{already}; it moves here with the CNAME record {name} -> {own}" if own else already
