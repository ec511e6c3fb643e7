"""The values of the views."""

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
    """A certificate as people see it; *chosen_by* says why it is the one that is served."""

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
        """The common name among the issuer's, if it has one."""
        return common_name(self.issuer)

    def is_valid_at(self, instant: datetime) -> bool:
        """Say whether it is within its dates and was not revoked."""
        return self.revoked_at is None and self.not_before <= instant <= self.not_after

    def flaw(self, now: datetime) -> str:
        """Return why it is not valid *now*."""
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
    """Whether a worker is at it now."""
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more comes of it."""
        return self.finished_at is not None

    @property
    def is_issued(self) -> bool:
        """Whether it has brought its certificate."""
        return self.state == "issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """A node whose workers all serve this certificate."""

    node: str
    certificate_id: str
    version: int
    deployed_at: datetime
    latency_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedDomain:
    """A domain with all that belongs to it.

    *certificate* is the one that is served, *other_certificates* are those that would be without it, the first first;
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
    """A *domain* that has a certificate, *by* as in `CertificateView.chosen_by`; or 'awaited': it is not hosted yet."""

    domain: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertificate:
    """A certificate with the domains that have it; *publicly_trusted* is None where nobody looked."""

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
class Remark:
    """A reason against an upload, or a warning: a stable *code*, a sentence, and the object at fault."""

    code: str
    message: str
    where: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedCertificate:
    """What was stored of an upload."""

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
    """An upload, from its arrival to its verdict and after; *certificate* is what was stored of it.

    The id of *certificate* is another than *certificate_id* when the tenant had that very certificate already.
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
    """Whether a worker is at it now."""
    reasons: tuple[Remark, ...]
    warnings: tuple[Remark, ...]
    received_at: datetime
    judged_at: datetime | None
    certificate: UploadedCertificate | None
