"""The faults that a gate in front of a certificate authority can apply to one request."""

import asyncio
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

ERRORS: Final = "urn:ietf:params:acme:error:"  # RFC 8555 section 6.7


class Endpoint(StrEnum):
    """The ACME resource of a request, recognised by the paths that Pebble uses."""

    DIRECTORY = "dir"
    NONCE = "nonce-plz"
    NEW_ACCOUNT = "sign-me-up"
    ACCOUNT = "my-account"
    ORDERS = "list-orderz"
    NEW_ORDER = "order-plz"
    ORDER = "my-order"
    AUTHORIZATION = "authZ"
    CHALLENGE = "chalZ"
    FINALIZE = "finalize-order"
    CERTIFICATE = "certZ"
    REVOKE = "revoke-cert"
    KEY_CHANGE = "rollover-account-key"

    @classmethod
    def of(cls, path: str) -> "Endpoint":
        """Return the endpoint that *path* belongs to."""
        return cls(path.split("/")[1])


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset, and the authority never sees the request."""


@dataclass(frozen=True, slots=True)
class DropAnswer:
    """The authority carries out the request, and the connection is reset instead of an answer."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The request reaches the authority later."""

    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class HoldAnswer:
    """The authority carries out the request; its answer waits for `release`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the authority has answered."""
    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The client gets this answer, and the authority never sees the request."""

    status: int
    body: str = ""
    content_type: str = "text/plain"
    retry_after: str | None = None
    """Seconds or an HTTP date."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        waiting = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return {"Content-Type": self.content_type, **waiting}


Fault: TypeAlias = Reset | DropAnswer | Delay | HoldAnswer | Answer


def problem(kind: str, *, status: int, detail: str = "", retry_after: str | None = None) -> Answer:
    """Return a problem document of the ACME error *kind*, as `rateLimited`."""
    body = json.dumps({"type": f"{ERRORS}{kind}", "status": status, "detail": detail})
    return Answer(status=status, body=body, content_type="application/problem+json", retry_after=retry_after)


def unavailable(retry_after: str | None = None) -> Answer:
    """Return the answer of a load balancer whose authority is down: no problem document."""
    return Answer(status=503, body="Service Unavailable", retry_after=retry_after)


def rate_limited(detail: str, *, retry_after: str | None = None) -> Answer:
    """Return the refusal of a request beyond a rate limit."""
    return problem("rateLimited", status=429, detail=detail, retry_after=retry_after)
