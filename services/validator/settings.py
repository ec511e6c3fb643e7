"""What the validator reads from the environment."""

import os
import socket
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import DEFAULT_AMQP_URL, DEFAULT_DATABASE_URL, ServiceSettings, own_or_common


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class ValidatorSettings(ServiceSettings):
    """The validator's settings, except the ones that all services share."""

    service: ClassVar[str] = "validator"
    model_config = SettingsConfigDict(env_prefix="VALIDATOR_")

    amqp_url: SecretStr = Field(SecretStr(DEFAULT_AMQP_URL), validation_alias=own_or_common("validator", "AMQP_URL"))
    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL), validation_alias=own_or_common("validator", "DATABASE_URL")
    )
    uploads: bool = Field(
        default=True, description="whether tenants may upload for which `certsmith uploads` sets nothing"
    )
    judges: int = Field(default_factory=_cores, ge=1, le=256, description="uploads that are judged at the same time")
    judge_seconds: float = Field(5.0, gt=0, description="processor time for judging one upload")
    lease_seconds: float = Field(10.0, ge=3, description="after this long another process claims a dead one's uploads")
    expiry_poll_seconds: float = Field(60.0, gt=0, description="how often to look for certificates that expire soon")
    holder: str = Field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}", description="this process's name in leases"
    )
