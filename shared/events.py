"""The events: what is said on the bus, type by type.

*Public* types are requests that others may make; *facts* tell what has happened and only the services publish them.
The type is the routing key and the CloudEvents `type`. The models here are the data; the envelope is `Event` going out
and `Incoming` coming in. `docs/asyncapi.yaml` and `docs/schemas/` are generated from this file.

A request refuses fields that it does not know, so that a misspelt one is not silently ignored. A fact ignores them, so
that an old reader understands a newer service.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from shared.identifiers import new_event_id

MAX_BODY_BYTES: Final = 512 * 1024  # of a message; an upload with all its fields at their limits has 400 KB

Text255 = Annotated[str, Field(max_length=255)]
Text4096 = Annotated[str, Field(max_length=4096)]
Tenant = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
DomainText = Annotated[
    str, Field(min_length=1, max_length=1024, description="host name or wildcard, as people write it")
]


class Data(BaseModel):
    """The data of one type of event."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: ClassVar[str]

    @property
    def key(self) -> str:
        """What the event is about: the CloudEvents `subject`; events of one key are told in order."""
        for name in ("domain", "certificate_id"):
            if value := getattr(self, name, None):
                return str(value)
        return self.type


class Request(Data):
    """The data of a public type: a request from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tenant: Tenant = ""


class CertificateManagementPolicy(BaseModel):
    """How a domain's certificate is obtained automatically."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    authority: Literal["letsencrypt"] = Field("letsencrypt", description="the CA that AUTOCERT_CA configures")
    private_key_type: Literal["ecdsa", "rsa"] = "ecdsa"
    profile: Annotated[str, Field(max_length=64)] | None = Field(None, description="ACME certificate profile")


class TerminateTls(BaseModel):
    """How the terminator speaks TLS for one domain; certificates are named by id, never carried."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    min_version: Literal["1.2", "1.3"] = "1.2"
    max_version: Literal["1.2", "1.3"] = "1.3"
    server_certificate_id: Text255 | None = None
    mutual_tls_certificate_authorities: tuple[Annotated[str, Field(max_length=65536)], ...] = ()
    mutual_tls_verification_strategy: Literal["require-and-verify", "require-any", "request"] = "require-and-verify"


class DomainCreated(Request):
    """Host this domain: obtain its certificate and serve it."""

    type: ClassVar[str] = "domain.created"
    domain: DomainText
    upstream: Text255 | None = Field(None, description="where decrypted bytes go, as tcp://host:port")
    certificate_management_policy: CertificateManagementPolicy | None = Field(
        default_factory=CertificateManagementPolicy, description="null: no automatic certificate"
    )
    attached_certificate_id: Text255 | None = None
    terminate_tls: TerminateTls | None = None
    description: Text255 = ""
    metadata: Text4096 = ""


class DomainUpdated(Request):
    """Change the named fields of a domain; what is not named stays."""

    type: ClassVar[str] = "domain.updated"
    domain: DomainText
    upstream: Text255 | None = None
    certificate_management_policy: CertificateManagementPolicy | None = None
    attached_certificate_id: Text255 | None = None
    terminate_tls: TerminateTls | None = None
    description: Text255 = ""
    metadata: Text4096 = ""

    @property
    def changes(self) -> frozenset[str]:
        """The fields that were named, null included."""
        return frozenset(self.model_fields_set - {"domain", "tenant"})


class DomainDeleted(Request):
    """Stop hosting this domain: end its orders, its challenge answers and its serving."""

    type: ClassVar[str] = "domain.deleted"
    domain: DomainText


class CertificateUploaded(Request):
    """A customer's own certificate, its private key sealed to the intake key."""

    type: ClassVar[str] = "certificate.uploaded"
    certificate_id: Annotated[str, Field(pattern=r"^cert_[0-9A-Za-z_-]{1,100}$")]
    certificate_pem: Annotated[str, Field(min_length=1, max_length=262144)]
    sealed: Annotated[str, Field(min_length=1, max_length=65536, description="base64 of the sealed box")]
    intake_key_id: Text255
    attach: tuple[DomainText, ...] = ()
    description: Text255 = ""
    metadata: Text4096 = ""


class CertificateRenewalRequested(Request):
    """Renew now; for a domain whose order waits or failed, try again now."""

    type: ClassVar[str] = "certificate.renewal_requested"
    domain: DomainText | None = None
    certificate_id: Text255 | None = None
    reason: Text255 = ""


class CertificateRevocationRequested(Request):
    """Revoke at the CA and serve it no more."""

    type: ClassVar[str] = "certificate.revocation_requested"
    domain: DomainText | None = None
    certificate_id: Text255 | None = None
    reason: Text255 = ""


class EventReason(BaseModel):
    """Why something was refused, and in which object when that helps."""

    model_config = ConfigDict(frozen=True)
    code: str
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

    @property
    def key(self) -> str:
        """The first domain that serves it, so that a domain's certificates are told in order."""
        return self.domains[0].domain if self.domains else self.certificate_id


class CertificateRejected(Data):
    """An uploaded certificate was refused."""

    type: ClassVar[str] = "certificate.rejected"
    certificate_id: str
    reasons: tuple[EventReason, ...]
    warnings: tuple[EventReason, ...] = ()


class CertificateFailed(Data):
    """A try to obtain a certificate failed; without *retries_at*, a human must act."""

    type: ClassVar[str] = "certificate.failed"
    domain: str
    error_code: str
    message: str
    attempt: int
    retries_at: AwareDatetime | None


class CertificateExpiring(Data):
    """A certificate in use ends soon and was not renewed."""

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
    """A certificate was revoked and is served no more."""

    type: ClassVar[str] = "certificate.revoked"
    certificate_id: str
    reason: str


PUBLIC: Final[dict[str, type[Request]]] = {
    model.type: model
    for model in (
        DomainCreated,
        DomainUpdated,
        DomainDeleted,
        CertificateUploaded,
        CertificateRenewalRequested,
        CertificateRevocationRequested,
    )
}
FACTS: Final[dict[str, type[Data]]] = {
    model.type: model
    for model in (
        DomainChanged,
        DomainRejected,
        CertificateReady,
        CertificateRejected,
        CertificateFailed,
        CertificateExpiring,
        CertificateDeployed,
        CertificateRevoked,
    )
}
TYPES: Final[dict[str, type[Data]]] = {**PUBLIC, **FACTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it goes out: a CloudEvent (CloudEvents 1.0) with our two extension attributes."""

    data: Data
    source: str
    id: str = field(default_factory=new_event_id)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    correlation_id: str | None = None
    traceparent: str | None = None

    @property
    def type(self) -> str:
        """The type of the data: the routing key."""
        return self.data.type

    @property
    def subject(self) -> str:
        """What the event is about."""
        return self.data.key

    @property
    def payload(self) -> "JsonObject":
        """The data as JSON. A request carries only what was said, so that an update changes nothing else."""
        return self.data.model_dump(mode="json", exclude_unset=isinstance(self.data, Request))


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An event as a handler gets it: checked, but believed only as far as its row says.

    *id* and *time* are None when the publisher gave none. *user_id* is the broker's word for who published ('' for
    none); *received_at* is our clock.
    """

    data: Data
    id: str | None
    source: str
    user_id: str
    time: datetime | None
    received_at: datetime
    correlation_id: str
    traceparent: str | None

    @property
    def type(self) -> str:
        """The type of the data."""
        return self.data.type

    @property
    def occurred_at(self) -> datetime:
        """When the publisher says it happened; never later than it arrived, whatever a publisher's clock says."""
        return min(self.time or self.received_at, self.received_at)


JsonObject = dict[str, JsonValue]
