"""The terminator's settings, read from the environment."""

import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.settings import DEFAULT_AMQP_URL, DEFAULT_DATABASE_URL, ServiceSettings, own_or_common

Words = Annotated[tuple[str, ...], NoDecode]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _any_address() -> str:
    """Return the wildcard address: of both families where IPv6 is available, else of IPv4."""
    if socket.has_ipv6:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("::", 0))
            except OSError:
                return "0.0.0.0"  # noqa: S104 - this service faces the internet
        return "::"
    return "0.0.0.0"  # noqa: S104


class TerminatorSettings(ServiceSettings):
    """How the terminator works. Limits of connections and contexts apply to each worker."""

    service: ClassVar[str] = "terminator"
    model_config = SettingsConfigDict(env_prefix="TERMINATOR_")

    amqp_url: SecretStr = Field(SecretStr(DEFAULT_AMQP_URL), validation_alias=own_or_common("terminator", "AMQP_URL"))
    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL), validation_alias=own_or_common("terminator", "DATABASE_URL")
    )
    https_address: str = Field(default_factory=_any_address, description="an address of this machine; by default all")
    https_port: int = Field(443, ge=0, le=65535, description="0: any free port")
    http_address: str = Field(default_factory=_any_address, description="an address of this machine; by default all")
    http_port: int = Field(80, ge=0, le=65535, description="HTTP-01 answers and redirects; 0: any free port")
    redirect_port: int = Field(443, ge=1, le=65535, description="the port of HTTPS as visitors reach it")
    workers: int = Field(default_factory=_cores, ge=1, le=1024, description="processes; by default one for each core")
    node: str = Field(default_factory=socket.gethostname, min_length=1, max_length=255, description="this node's name")
    upstream_allow: Words = Field(
        (), description="networks that upstreams may be in although they are loopback or denied"
    )
    upstream_deny: Words = Field((), description="networks that upstreams must not be in, for example 10.0.0.0/8")
    default_certificate_file: Path | None = Field(
        None, description="PEM, leaf first, for names that are not hosted here"
    )
    default_key_file: Path | None = Field(None, description="its private key, PEM")
    handshake_seconds: float = Field(10.0, gt=0, description="from accept until the handshake is done")
    connect_seconds: float = Field(5.0, gt=0, description="until an upstream has answered")
    idle_seconds: float = Field(3600.0, gt=0, description="a connection without a byte for so long is closed")
    poll_seconds: float = Field(30.0, gt=0, description="how often the store is asked for changes, hints or not")
    unknown_seconds: float = Field(
        30.0, gt=0, description="how long a name that is not hosted here is remembered as unknown"
    )
    max_names: int = Field(20_000, ge=1, description="names whose rows the node keeps")
    max_contexts: int = Field(5_000, ge=1, description="TLS contexts, of 22 KB each, that a worker keeps")
    max_handshakes: int = Field(4_000, ge=1, description="unfinished at once; beyond it the oldest are closed")
    max_connections: int = Field(20_000, ge=1, description="open at once; beyond it new ones are closed")

    @field_validator("upstream_allow", "upstream_deny", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator("upstream_allow", "upstream_deny")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(text)) for text in value)

    @field_validator("https_address", "http_address")
    @classmethod
    def _address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))

    @model_validator(mode="after")
    def _whole(self) -> "TerminatorSettings":
        if (self.default_certificate_file is None) != (self.default_key_file is None):
            raise ValueError(
                "TERMINATOR_DEFAULT_CERTIFICATE_FILE and TERMINATOR_DEFAULT_KEY_FILE must both be set, or neither"
            )
        return self
