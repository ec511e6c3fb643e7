"""The resources of an ACME server (RFC 8555) as values: accounts, orders, authorizations, problems.

A status that this release does not know reads as ``UNKNOWN`` and never as an error. A CA may add statuses (RFC 8555
section 7.1.6 lists today's), and an order in an unknown status is still an order to look at again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.errors import TransientError


class Phase(StrEnum):
    """The kind of request; the same error means different things in different phases."""

    DIRECTORY = "directory"
    ACCOUNT = "account"
    NEW_ORDER = "new_order"
    AUTHORIZATION = "authorization"
    CHALLENGE = "challenge"
    ORDER = "order"
    FINALIZE = "finalize"
    CERTIFICATE = "certificate"


class OrderStatus(StrEnum):
    """RFC 8555 section 7.1.3."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class AuthorizationStatus(StrEnum):
    """RFC 8555 section 7.1.4."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class ChallengeStatus(StrEnum):
    """RFC 8555 section 7.1.6."""

    PENDING = "pending"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subproblem:
    """The part of a problem that is about one identifier (RFC 8555 section 6.7.1)."""

    type: str
    detail: str
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document (RFC 7807), as far as it could be read; *document* is the original.

    *type* is without the prefix of RFC 8555 section 6.7: ``rateLimited``; other types are kept in full.
    *instance* is an address for people: terms to accept, an account to unpause.
    """

    type: str
    detail: str
    status: int | None = None
    instance: str | None = None
    subproblems: tuple[Subproblem, ...] = ()
    document: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAccount:
    """The operator's account at the CA, to which a new ACME account is bound (RFC 8555 section 7.3.4)."""

    key_id: str
    mac_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at a CA; *url* identifies it in every later request."""

    url: str
    thumbprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaOrder:
    """An order as the CA shows it."""

    url: str
    status: OrderStatus
    names: tuple[str, ...]
    authorization_urls: tuple[str, ...]
    finalize_url: str
    certificate_url: str | None = None
    expires_at: datetime | None = None
    error: Problem | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaChallenge:
    """One way to prove control of a name; *type* is the CA's word, such as ``http-01``."""

    type: str
    url: str
    status: ChallengeStatus
    token: str
    error: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaAuthorization:
    """An authorization as the CA shows it; *name* is without ``*.``, *wildcard* says whether the CA meant it."""

    url: str
    name: str
    wildcard: bool
    status: AuthorizationStatus
    challenges: tuple[CaChallenge, ...]
    expires_at: datetime | None = None
    retry_after_seconds: float | None = None

    def challenge(self, kind: str) -> CaChallenge | None:
        """Return the challenge of *kind*, if the CA offers one."""
        return next((each for each in self.challenges if each.type == kind), None)

    @property
    def error(self) -> Problem | None:
        """Why this authorization failed, from its failed challenge."""
        return next((each.error for each in self.challenges if each.error is not None), None)


class Failure(StrEnum):
    """How a request to a CA failed."""

    PROBLEM = "problem"
    """It answered with an error; ``AuthorityError.problem`` has the problem document, if it sent one."""
    UNREACHABLE = "unreachable"
    """There was no connection, or it was lost."""
    UNTRUSTED = "untrusted"
    """Its TLS certificate did not verify."""
    TIMEOUT = "timeout"
    """There was no answer in time, or the caller's deadline passed."""
    MALFORMED = "malformed"
    """Its answer does not follow RFC 8555."""


@dataclass(kw_only=True, eq=False)
class AuthorityError(TransientError):
    """A request to a certificate authority failed; ``ca_errors.classify.verdict`` returns the remedy."""

    message: str
    phase: Phase
    failure: Failure
    status: int | None = None
    problem: Problem | None = None
    retry_after_seconds: float | None = None
    outcome_unknown: bool = False
    """The CA may have acted on a POST that it did not answer: read the resource before sending the POST again."""
    help_url: str | None = None
    """An address where people can resolve it: the problem's ``instance``, or a URL in its text."""

    def __str__(self) -> str:
        return self.message
