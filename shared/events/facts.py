"""The facts, which report what has happened. Only the services publish them.

A fact ignores fields that it does not know, so that an old reader understands a newer service.
"""

from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.events.data import Data
from shared.events.words import ErrorCode, ReasonCode


class EventReason(BaseModel):
    """Why a request was refused, and the part of it that is at fault (*where*) if that helps."""

    model_config = ConfigDict(frozen=True)
    code: str = Field(
        description="a `ReasonCode`, or the code of a rule in docs/validation.md; later releases may add some",
        examples=[str(code) for code in ReasonCode],
    )
    message: str
    where: str | None = None


class DomainVersion(BaseModel):
    """A domain at one version of its row."""

    model_config = ConfigDict(frozen=True)
    domain: str
    version: int


class DomainChanged(Data):
    """A domain's row has changed."""

    type: ClassVar[str] = "domain.changed"
    domain: str
    version: int
    deleted: bool


class DomainRejected(Data):
    """A request about a domain was refused."""

    type: ClassVar[str] = "domain.rejected"
    event_id: str
    domain: str
    reasons: tuple[EventReason, ...]


class CertificateReady(Data):
    """A certificate is stored, and these domains serve it from now on."""

    type: ClassVar[str] = "certificate.ready"
    certificate_id: str
    domains: tuple[DomainVersion, ...]
    not_before: AwareDatetime
    not_after: AwareDatetime
    serial_number: str
    issuer: str
    source: Literal["automatic", "uploaded"]
    publicly_trusted: bool | None = None
    warnings: tuple[EventReason, ...] = ()
    uploaded_as: str | None = Field(
        None, description="the id of an upload whose certificate was already stored under another id"
    )

    @property
    def key(self) -> str:
        """The first domain that serves it, so that a domain's certificates are published in order."""
        return self.domains[0].domain if self.domains else self.certificate_id


class CertificateRejected(Data):
    """An uploaded certificate was refused."""

    type: ClassVar[str] = "certificate.rejected"
    certificate_id: str
    reasons: tuple[EventReason, ...]
    warnings: tuple[EventReason, ...] = ()


class CertificateFailed(Data):
    """An attempt to obtain a certificate failed; without *retries_at*, a human must act."""

    type: ClassVar[str] = "certificate.failed"
    domain: str
    error_code: str = Field(
        description="an `ErrorCode`; later releases may add some", examples=[str(code) for code in ErrorCode]
    )
    message: str
    attempt: int
    retries_at: AwareDatetime | None


class CertificateExpiring(Data):
    """A certificate in use expires soon, or has expired, and was not renewed."""

    type: ClassVar[str] = "certificate.expiring"
    domain: str
    certificate_id: str
    not_after: AwareDatetime
    message: str


class CertificateDeployed(Data):
    """Every worker of a node serves this certificate for this domain, and none an older one."""

    type: ClassVar[str] = "certificate.deployed"
    certificate_id: str
    domain: str
    node: str
    version: int
    latency_seconds: float

    @property
    def key(self) -> str:
        """The domain."""
        return self.domain


class CertificateRevoked(Data):
    """A certificate was revoked and is no longer served."""

    type: ClassVar[str] = "certificate.revoked"
    certificate_id: str
    reason: str


class CertificateDeleted(Data):
    """An uploaded certificate was deleted, and its key erased."""

    type: ClassVar[str] = "certificate.deleted"
    certificate_id: str


class CertificateDeletionRefused(Data):
    """An uploaded certificate was not deleted: these domains use it, or there is no such certificate."""

    type: ClassVar[str] = "certificate.deletion_refused"
    event_id: str
    certificate_id: str
    domains: tuple[str, ...]
    reasons: tuple[EventReason, ...]
