"""The provisioner's settings, read from the environment.

The ACME side has the names that Pomerium's users know (`AUTOCERT_CA`, ...).
"""

import base64
import binascii
import ipaddress
import os
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, ClassVar, Final

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from services.provisioner.rules.acme import ExternalAccount
from services.provisioner.rules.preflight import Platform
from services.provisioner.rules.retry_delays import DEFAULT_LADDER_SECONDS
from shared.settings import DEFAULT_AMQP_URL, DEFAULT_DATABASE_URL, ServiceSettings, Settings, own_or_common

LETS_ENCRYPT: Final = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING: Final = "https://acme-staging-v02.api.letsencrypt.org/directory"

Words = Annotated[tuple[str, ...], NoDecode]


def _split(value: object) -> object:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


class AuthoritySettings(Settings):
    """Which certificate authority to use, and with which account."""

    model_config = SettingsConfigDict(env_prefix="AUTOCERT_")

    ca: str | None = Field(None, description="the URL of the ACME directory; by default Let's Encrypt's")
    use_staging: bool = Field(default=False, description="Let's Encrypt's staging CA; AUTOCERT_CA wins over it")
    email: str | None = Field(None, description="the address to which the CA can write")
    eab_key_id: str | None = None
    eab_mac_key: SecretStr | None = Field(None, description="base64url, as the CA gives it (RFC 8555 section 7.3.4)")
    trusted_ca: str | None = Field(
        None,
        description="the roots for the CA's own TLS certificate: base64 of PEM; AUTOCERT_TRUSTED_CA_FILE: PEM",
    )

    @property
    def directory_url(self) -> str:
        """The URL of the ACME directory."""
        return self.ca or (LETS_ENCRYPT_STAGING if self.use_staging else LETS_ENCRYPT)

    @property
    def contact(self) -> str | None:
        """The account's contact (RFC 8555 section 7.3)."""
        return f"mailto:{self.email}" if self.email else None

    @property
    def external_account(self) -> ExternalAccount | None:
        """The external account to which a new ACME account is bound."""
        if self.eab_key_id is None or self.eab_mac_key is None:
            return None
        return ExternalAccount(key_id=self.eab_key_id, mac_key=_decode_base64url(self.eab_mac_key.get_secret_value()))

    @property
    def trusted_ca_pem(self) -> str | None:
        """The roots for the CA's own TLS certificate; None means the system's."""
        if self.trusted_ca is None or "-----BEGIN" in self.trusted_ca:
            return self.trusted_ca
        return base64.b64decode(self.trusted_ca, validate=True).decode()

    @model_validator(mode="after")
    def _whole(self) -> "AuthoritySettings":
        if (self.eab_key_id is None) != (self.eab_mac_key is None):
            raise ValueError("AUTOCERT_EAB_KEY_ID and AUTOCERT_EAB_MAC_KEY go together; set both or neither")
        try:
            _ = self.external_account, self.trusted_ca_pem
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"AUTOCERT_EAB_MAC_KEY or AUTOCERT_TRUSTED_CA is not base64: {error}") from None
        return self


def _decode_base64url(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


class ProvisionerSettings(ServiceSettings):
    """The settings of the provisioner itself."""

    service: ClassVar[str] = "provisioner"
    model_config = SettingsConfigDict(env_prefix="PROVISIONER_")

    amqp_url: SecretStr = Field(SecretStr(DEFAULT_AMQP_URL), validation_alias=own_or_common("provisioner", "AMQP_URL"))
    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL), validation_alias=own_or_common("provisioner", "DATABASE_URL")
    )
    platform_zone: str | None = Field(None, description="each domain's CNAME target is <its id>.<this zone>")
    platform_addresses: Words = Field((), description="addresses that domains without a CNAME must point to")
    dns_servers: Words = Field((), description="host[:port] of DNS servers to query instead of the system's")
    http01_port: int = Field(80, ge=1, le=65535, description="the port of HTTP-01 answers; 80 except in tests")
    probe_allow: Words = Field(
        (), description="networks where our own HTTP-01 answer may be fetched although they are not public"
    )
    self_check: bool = Field(default=True, description="fetch our own HTTP-01 answer before the CA does")
    max_orders_in_flight: int = Field(64, ge=1, le=10_000)
    lease_seconds: float = Field(
        120.0, ge=3, description="after this long another worker claims a dead worker's orders"
    )
    backoff_seconds: Annotated[tuple[float, ...], NoDecode] = Field(
        DEFAULT_LADDER_SECONDS, min_length=1, description="waits after the first, second, ... failed try"
    )
    dns_poll_seconds: float = Field(5.0, gt=0, description="the first wait for a DNS record; it grows to an hour")
    new_orders_per_3_hours: int = Field(300, ge=1, description="the CA's limit for an account")
    certificates_per_week: int = Field(50, ge=1, description="the CA's limit for a registered domain")
    holder: str = Field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}", description="this process's name in leases"
    )

    _split_words = field_validator(
        "platform_addresses", "dns_servers", "probe_allow", "backoff_seconds", mode="before"
    )(_split)

    @field_validator("platform_zone")
    @classmethod
    def _plain_zone(cls, value: str | None) -> str | None:
        return value.lower().strip(".") or None if value else None

    @field_validator("platform_addresses")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_address(text)
        return value

    @property
    def platform(self) -> Platform:
        """The targets to which domains must point."""
        addresses: frozenset[IPv4Address | IPv6Address] = frozenset(map(ipaddress.ip_address, self.platform_addresses))
        return Platform(zone=self.platform_zone, addresses=addresses)
