"""A registered domain, and the effect of a request about it; values only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from shared.errors import PermanentError
from shared.events import CertificateManagementPolicy, TerminateTls
from shared.identifiers import CertificateId, DomainId
from shared.names import Name


class UnknownDomainError(PermanentError):
    """No domain has this id."""

    def __init__(self, domain_id: DomainId) -> None:
        super().__init__(f"no domain has the id {domain_id!r}")


class UnfitCertificateError(PermanentError):
    """The certificate for `attach` or `terminate_tls` was not uploaded by the tenant, or does not cover the name."""


class Effect(StrEnum):
    """The effect of a request."""

    CREATED = "created"
    REVIVED = "revived"  # the tenant had deleted the name before
    CHANGED = "changed"
    UNCHANGED = "unchanged"  # the domain was already as requested
    DELETED = "deleted"
    STALE = "stale"  # a newer request was applied before
    AWAITED = "awaited"  # the attachment is stored until the domain is registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The settings of a domain that its tenant chooses."""

    upstream: str | None = None
    policy: CertificateManagementPolicy | None = None
    terminate_tls: TerminateTls | None = None
    attached_certificate_id: CertificateId | None = None
    description: str = ""
    metadata: str = ""


class ConfigurationChanges(TypedDict, total=False):
    """The fields of a `Configuration` to change."""

    upstream: str | None
    policy: CertificateManagementPolicy | None
    terminate_tls: TerminateTls | None
    attached_certificate_id: CertificateId | None
    description: str
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A registered domain, as its row was when it was read."""

    id: DomainId
    tenant: str
    name: Name
    holds_name: bool  # of all tenants' domains with this name, this one is served
    configuration: Configuration
    automatic_certificate_id: CertificateId | None
    requested_at: datetime  # of the newest request that was applied
    attachment_requested_at: datetime | None  # of the newest request that attached or detached; None if there was none
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @property
    def is_deleted(self) -> bool:
        """Whether only the tombstone is left."""
        return self.deleted_at is not None

    @property
    def policy(self) -> CertificateManagementPolicy | None:
        """How its certificate is obtained automatically; None if it is not."""
        return self.configuration.policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The effect of a request, and the domain after it."""

    effect: Effect
    domain: Domain

    @property
    def has_changed(self) -> bool:
        """Whether the change must be published."""
        return self.effect not in (Effect.UNCHANGED, Effect.STALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The effect of a request to attach, and the domain after it, if the tenant ever registered it."""

    effect: Effect  # CHANGED, UNCHANGED, STALE or AWAITED
    domain: Domain | None

    @property
    def has_changed(self) -> bool:
        """Whether the change must be published."""
        return self.effect is Effect.CHANGED
