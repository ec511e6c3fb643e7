"""The values that the views return."""

from dataclasses import dataclass
from datetime import datetime


def common_name(distinguished_name: str) -> str:
    """Return the common name in a *distinguished_name* (RFC 4514), or all of it if it has none."""
    for part in distinguished_name.split(","):
        kind, _, value = part.partition("=")
        if kind.strip() == "CN":
            return value
    return distinguished_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateView:
    """A certificate of a domain, as shown to people; *chosen_by* says how the domain came to have it."""

    id: str
    chosen_by: str  # 'terminate_tls', 'attached' or 'automatic'
    source: str
    names: tuple[str, ...]
    issuer: str
    serial_number: str
    fingerprint: str  # SHA-256 in hexadecimal
    key_type: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None

    @property
    def issuer_name(self) -> str:
        """The issuer's common name, or its whole name if it has none."""
        return common_name(self.issuer)

    def is_valid_at(self, instant: datetime) -> bool:
        """Return whether the certificate is valid at *instant*: within its dates, and not revoked."""
        return self.revoked_at is None and self.not_before <= instant <= self.not_after

    def flaw(self, now: datetime) -> str:
        """Return why it is not valid *now*, as the end of a sentence."""
        if self.revoked_at is not None:
            return f"was revoked on {self.revoked_at:%Y-%m-%d}"
        if now < self.not_before:
            return f"is not valid before {self.not_before:%Y-%m-%d}"
        return f"ended on {self.not_after:%Y-%m-%d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """The domain's newest order that was not cancelled."""

    id: str
    state: str
    reason: str
    attempt: int
    error_code: str | None
    message: str | None
    next_attempt_at: datetime
    is_in_hand: bool
    """Whether a worker holds its lease now."""
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether the order has ended."""
        return self.finished_at is not None

    @property
    def is_issued(self) -> bool:
        """Whether the order has ended with a certificate."""
        return self.state == "issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """A terminator node, all of whose workers serve this certificate."""

    node: str
    certificate_id: str
    version: int
    deployed_at: datetime
    latency_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedDomain:
    """A domain with its certificates, newest order and deployments.

    *certificate* is the served one, *other_certificates* are those that would be served without it, in that order;
    *key_type* is that of the domain's policy.
    """

    id: str
    tenant: str
    name: str
    holds_name: bool
    upstream: str | None
    key_type: str | None
    version: int
    requested_at: datetime
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    certificate: CertificateView | None
    other_certificates: tuple[CertificateView, ...]
    order: OrderView | None
    deployments: tuple[DeploymentView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UseView:
    """A *domain* that uses a certificate; *by* is as `CertificateView.chosen_by`, or 'awaited': not hosted yet."""

    domain: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertificate:
    """A certificate with the domains that use it; *publicly_trusted* is None if it was not checked."""

    id: str
    tenant: str
    source: str
    names: tuple[str, ...]
    issuer: str
    serial_number: str
    fingerprint: str  # SHA-256 in hexadecimal
    key_type: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None
    publicly_trusted: bool | None
    description: str
    metadata: str
    created_at: datetime
    uses: tuple[UseView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRemark:
    """A reason to reject an upload, or a warning: a stable *code*, a sentence, and the object at fault."""

    code: str
    message: str
    where: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedCertificate:
    """The certificate that was stored from an upload."""

    id: str
    names: tuple[str, ...]
    issuer: str
    serial_number: str
    fingerprint: str  # SHA-256 in hexadecimal
    key_type: str
    not_before: datetime
    not_after: datetime
    publicly_trusted: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadView:
    """An upload, before and after its verdict; *certificate* is what was stored from it.

    The id of *certificate* differs from *certificate_id* if the tenant had that very certificate already.
    """

    certificate_id: str
    tenant: str
    state: str  # 'received', 'accepted' or 'rejected'
    attach: tuple[str, ...]
    description: str
    metadata: str
    correlation_id: str | None
    attempt: int
    next_attempt_at: datetime
    is_in_hand: bool
    """Whether a worker holds its lease now."""
    reasons: tuple[UploadRemark, ...]
    warnings: tuple[UploadRemark, ...]
    received_at: datetime
    judged_at: datetime | None
    certificate: UploadedCertificate | None
