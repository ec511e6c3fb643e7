"""What the control process needs from the store and from its workers.

Every method of `Store` may raise `StoreUnavailableError`. The caller must then assume that nothing was done.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.terminator.rules.selection import Domain
from shared.events import NO_CAUSE, Cause


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Domains by name, read at one instant. *xmin* is that instant in the form that `changed_since` accepts."""

    domains: Mapping[str, Domain]
    xmin: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Names and versions of domains that changed, up to the instant *xmin*."""

    versions: Mapping[str, int]
    xmin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The fact that a node serves *certificate_id* for *domain* in every handshake from now on, and nothing older."""

    domain: str
    certificate_id: str
    version: int
    latency_seconds: float
    cause: Cause = NO_CAUSE


class WorkerCaches(Protocol):
    """The TLS contexts that all workers of the node hold."""

    async def drop(self, domain: str) -> None:
        """Drop *domain* in all workers; return when no handshake can show what they held for it at the call."""

    def drop_soon(self, domain: str) -> None:
        """Drop *domain* in all workers without waiting; answers sent after this call reach them after the drop."""


class Store(Protocol):
    """The rows that the terminator reads, and the deployments that it publishes."""

    async def domains(self, names: Collection[str]) -> Snapshot:
        """Return the domains among *names* that are registered, hold their name and are not deleted."""

    async def changed_since(self, xmin: str) -> Changes:
        """Return the domains changed by transactions that a snapshot at *xmin* did not see, deleted ones included."""

    async def thumbprints(self, hosts: Collection[str]) -> Mapping[str, str]:
        """Return the thumbprint that answers HTTP-01, for each of *hosts* that has an open order."""

    async def publish_deployed(self, deployments: Collection[Deployment]) -> None:
        """Record *deployments* of this node, and publish each that is newer than the one recorded before."""
