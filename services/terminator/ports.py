"""What the control process needs from the store.

Every method may raise `StoreUnavailableError`, and then has done nothing, as far as anybody can know.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.terminator.rules.selection import Domain
from shared.events import NO_CAUSE, Cause


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Domains by name, read at one instant; *xmin* is that instant as `changed_since` wants it."""

    domains: Mapping[str, Domain]
    xmin: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Names and versions of domains that changed, up to the instant *xmin*."""

    versions: Mapping[str, int]
    xmin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """From now on a node serves *certificate_id* for *domain* in every handshake, and nothing older."""

    domain: str
    certificate_id: str
    version: int
    latency_seconds: float
    cause: Cause = NO_CAUSE


class Audience(Protocol):
    """Everybody who serves with what the node knows: the workers."""

    async def drop(self, domain: str) -> None:
        """Return when none of them can show any more what it held for *domain* when this was called."""

    def drop_soon(self, domain: str) -> None:
        """Have them drop what they hold for *domain*, before they get any answer that is given after this."""


class Store(Protocol):
    """The rows, and what the terminator tells."""

    async def domains(self, names: Collection[str]) -> Snapshot:
        """Return those of *names* that are registered, hold their name and are not deleted."""

    async def changed_since(self, xmin: str) -> Changes:
        """Return the domains that changed in transactions that a snapshot at *xmin* did not see, deleted ones too."""

    async def thumbprints(self, hosts: Collection[str]) -> Mapping[str, str]:
        """Return for those of *hosts* with an open order the thumbprint that answers HTTP-01."""

    async def tell_deployed(self, deployments: Collection[Deployment]) -> None:
        """Record that this node has deployed these, and tell each that is newer than what was recorded before."""
