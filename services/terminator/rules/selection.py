"""Which certificate a name gets, and for how long that can be believed. Pure: the time is an argument."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.errors import PermanentError
from shared.names import parent_wildcard
from shared.vault.sealing import SealedKey

_TLS12: Final = 0x0303
_TLS13: Final = 0x0304
_VERSIONS: Final = {"1.2": _TLS12, "1.3": _TLS13}
_PASSTHROUGH: Final = "passthrough://"

LONGEST_SECONDS: Final = 24 * 3600.0  # an answer is believed, if nothing says otherwise before


class NotServableError(PermanentError):
    """A row asks for what this release cannot do; doing less than it asks would be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A stored certificate as its row says; the leaf itself is believed where it matters (`control.offers`)."""

    id: str
    tenant: str
    leaf: bytes = field(repr=False)  # DER
    issuers: tuple[bytes, ...] = field(repr=False)  # DER, issuer of the leaf first
    not_before: datetime
    not_after: datetime
    key: SealedKey | None  # None: erased

    def is_valid_at(self, instant: datetime) -> bool:
        """Say whether *instant* lies in the period of validity, both ends included (RFC 5280 section 4.1.2.5)."""
        return self.not_before <= instant <= self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A registered domain that holds its name, at one version of its row."""

    name: str
    tenant: str
    version: int
    changed_seconds_ago: float  # when it was read
    upstream: str
    terminate_tls: Mapping[str, object]
    named: Certificate | None  # by terminate_tls
    attached: Certificate | None
    automatic: Certificate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How TLS is spoken for a domain."""

    lowest_version: int = _TLS12
    highest_version: int = _TLS13


def candidates(name: str) -> tuple[str, ...]:
    """Return the domains whose rows decide what *name* gets, the first that is there wins."""
    wildcard = parent_wildcard(name)
    return (name,) if wildcard is None or wildcard == name else (name, wildcard)


def decide(name: str, domains: Mapping[str, Domain]) -> Domain | None:
    """Return the one of *domains*, by name, that decides what *name* gets.

    A domain without a certificate hides the wildcard above it: that may be somebody else's.
    """
    return next((domains[candidate] for candidate in candidates(name) if candidate in domains), None)


def choose(domain: Domain, *, now: datetime) -> tuple[Certificate | None, float]:
    """Return the certificate that *domain* is served with, and for how many seconds that is so.

    One that is named in `terminate_tls` beats all; then the attached one if valid now, the automatic one if valid, the
    attached one though it is not. Last an automatic one that is not valid: its visitors learn what is wrong from their
    browser, which they would not from a certificate for another name.
    """
    order = [item for item in (domain.named, domain.attached, domain.automatic) if item is not None]
    chosen = domain.named or next((item for item in order if item.is_valid_at(now)), order[0] if order else None)
    return chosen, _seconds_until_change(order, now)


def _seconds_until_change(certificates: Iterable[Certificate], now: datetime) -> float:
    """Return when the next of *certificates* becomes valid or invalid."""
    # The last instant of validity belongs to it, so the change comes right after.
    instants = (at for item in certificates for at in (item.not_before, item.not_after + timedelta.resolution))
    return min([(instant - now).total_seconds() for instant in instants if instant > now] + [LONGEST_SECONDS])


def policy_of(domain: Domain) -> Policy:
    """Return how TLS is spoken for *domain*.

    Raises:
        NotServableError: its row asks for what this release cannot do.
    """
    if domain.upstream.startswith(_PASSTHROUGH):
        raise NotServableError(f"{domain.name} is to be passed through undecrypted, which this release cannot do")
    terms = {"min_version": "1.2", "max_version": "1.3", **domain.terminate_tls}
    if terms.get("mutual_tls_certificate_authorities"):
        raise NotServableError(f"{domain.name} asks for client certificates, which this release cannot check")
    if terms.get("server_certificate_id") and domain.named is None:
        raise NotServableError(f"{domain.name} names a certificate in terminate_tls that is not there")
    try:
        return Policy(
            lowest_version=_VERSIONS[str(terms["min_version"])], highest_version=_VERSIONS[str(terms["max_version"])]
        )
    except KeyError as error:
        raise NotServableError(f"{domain.name} asks for TLS {error}, which is no version known here") from None
