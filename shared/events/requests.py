"""The public types: requests that others may publish.

A request refuses fields that it does not know, so that a misspelt one is not silently ignored.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events.data import DomainText, PublicRequest, Text255, Text4096


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


class DomainCreated(PublicRequest):
    """Host this domain: obtain its certificate and serve it."""

    type: ClassVar[str] = "domain.created"
    domain: DomainText
    upstream: Text255 | None = Field(None, description="where decrypted bytes go, as tcp://host:port")
    certificate_management_policy: CertificateManagementPolicy | None = Field(
        default_factory=CertificateManagementPolicy, description="null: no automatic certificate"
    )
    attached_certificate_id: Text255 | None = Field(
        None, description="an uploaded certificate; null detaches; without the field, the attached one stays"
    )
    terminate_tls: TerminateTls | None = None
    description: Text255 = ""
    metadata: Text4096 = ""

    @property
    def detaches(self) -> bool:
        """Whether the request names `attached_certificate_id` as null: no certificate may stay attached."""
        return self.attached_certificate_id is None and "attached_certificate_id" in self.model_fields_set


class DomainUpdated(PublicRequest):
    """Change the named fields of a domain; the others stay unchanged."""

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


class DomainDeleted(PublicRequest):
    """Stop hosting this domain: end its orders, its challenge answers and its serving."""

    type: ClassVar[str] = "domain.deleted"
    domain: DomainText


class CertificateUploaded(PublicRequest):
    """A customer's own certificate, its private key sealed to the intake key."""

    type: ClassVar[str] = "certificate.uploaded"
    certificate_id: Annotated[str, Field(pattern=r"^cert_[0-9A-Za-z_-]{1,100}$")]
    certificate_pem: Annotated[str, Field(min_length=1, max_length=262144)]
    sealed: Annotated[str, Field(min_length=1, max_length=65536, description="base64 of the sealed box")]
    intake_key_id: Text255
    attach: tuple[DomainText, ...] = ()
    description: Text255 = ""
    metadata: Text4096 = ""


class CertificateRenewalRequested(PublicRequest):
    """Renew the certificate now; for a domain whose order waits or failed, try again now."""

    type: ClassVar[str] = "certificate.renewal_requested"
    domain: DomainText | None = None
    certificate_id: Text255 | None = None
    reason: Text255 = ""


class CertificateRevocationRequested(PublicRequest):
    """Revoke the certificate at the CA and stop serving it."""

    type: ClassVar[str] = "certificate.revocation_requested"
    domain: DomainText | None = None
    certificate_id: Text255 | None = None
    reason: Text255 = ""


class CertificateDeletionRequested(PublicRequest):
    """Delete an uploaded certificate and erase its key; refused while a domain uses it."""

    type: ClassVar[str] = "certificate.deletion_requested"
    certificate_id: Annotated[str, Field(pattern=r"^cert_[0-9A-Za-z_-]{1,100}$")]
