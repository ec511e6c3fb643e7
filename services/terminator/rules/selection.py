"""Which certificate a name gets, and for how long that choice is valid. Pure: the time is an argument."""

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

LONGEST_SECONDS: Final = 24 * 3600.0  # a choice is valid at most this long


class NotServableError(PermanentError):
    """A row asks for something that this release does not support; serving it without that would be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A stored certificate, as its row describes it; `control.offers` checks the leaf itself before it is served."""

    id: str
    tenant: str
    leaf: bytes = field(repr=False)  # DER
    issuers: tuple[bytes, ...] = field(repr=False)  # DER, issuer of the leaf first
    not_before: datetime
    not_after: datetime
    key: SealedKey | None  # None: erased

    def is_valid_at(self, instant: datetime) -> bool:
        """Return whether *instant* is within the validity period, both ends included (RFC 5280 section 4.1.2.5)."""
        return self.not_before <= instant <= self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A registered domain that holds its name, at one version of its row."""

    name: str
    tenant: str
    version: int
    changed_seconds_ago: float  # at the time of the read
    upstream: str
    terminate_tls: Mapping[str, object]
    named: Certificate | None  # by server_certificate_id in terminate_tls
    attached: Certificate | None
    automatic: Certificate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The TLS versions of a domain."""

    lowest_version: int = _TLS12
    highest_version: int = _TLS13


def candidates(name: str) -> tuple[str, ...]:
    """Return the domains that may decide what *name* gets; the first of them that is registered does."""
    wildcard = parent_wildcard(name)
    return (name,) if wildcard is None or wildcard == name else (name, wildcard)


def decide(name: str, domains: Mapping[str, Domain]) -> Domain | None:
    """Return the domain in *domains* (by name) that decides what *name* gets.

    A domain without a certificate hides the wildcard above it, which may belong to another tenant.
    """
    return next((domains[candidate] for candidate in candidates(name) if candidate in domains), None)


def choose(domain: Domain, *, now: datetime) -> tuple[Certificate | None, float]:
    """Return the certificate for *domain*, and the seconds for which this choice is valid.

    A certificate named in `terminate_tls` always wins. Otherwise the order is: the attached one if valid now, the
    automatic one if valid now, the attached one although invalid, the automatic one although invalid. With an invalid
    certificate of the right name, browsers tell visitors what is wrong; with one for another name they would not.
    """
    order = [item for item in (domain.named, domain.attached, domain.automatic) if item is not None]
    chosen = domain.named or next((item for item in order if item.is_valid_at(now)), order[0] if order else None)
    return chosen, _seconds_until_change(order, now)


def _seconds_until_change(certificates: Iterable[Certificate], now: datetime) -> float:
    """Return the seconds until the next of *certificates* becomes valid or invalid."""
    # The last instant of a validity period belongs to it, so the change comes right after it.
    instants = (at for item in certificates for at in (item.not_before, item.not_after + timedelta.resolution))
    return min([(instant - now).total_seconds() for instant in instants if instant > now] + [LONGEST_SECONDS])


def policy_of(domain: Domain) -> Policy:
    """Return the TLS policy of *domain*.

    Raises:
        NotServableError: its row asks for something that this release does not support.
    """
    if domain.upstream.startswith(_PASSTHROUGH):
        raise NotServableError(f"{domain.name} has a passthrough:// upstream, which this release does not support")
    terms = {"min_version": "1.2", "max_version": "1.3", **domain.terminate_tls}
    if terms.get("mutual_tls_certificate_authorities"):
        raise NotServableError(f"{domain.name} requires client certificates, which this release does not support")
    if terms.get("server_certificate_id") and domain.named is None:
        raise NotServableError(f"{domain.name} names a certificate in terminate_tls that does not exist")
    try:
        return Policy(
            lowest_version=_VERSIONS[str(terms["min_version"])], highest_version=_VERSIONS[str(terms["max_version"])]
        )
    except KeyError as error:
        raise NotServableError(f"{domain.name} asks for TLS {error}; supported versions are 1.2 and 1.3") from None
