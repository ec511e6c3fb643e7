"""Reads settings from the environment, from files that the environment names, and from `certsmith.yaml`.

The field `grace_seconds` of a class with the prefix `PROVISIONER_` is read from `PROVISIONER_GRACE_SECONDS`; or from
the file that `PROVISIONER_GRACE_SECONDS_FILE` names, as container secrets need; or from the key
`provisioner_grace_seconds` of `certsmith.yaml` (or the file that `CERTSMITH_CONFIG` names). The first source that has
it wins. Units are in the names.
"""

import os
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.errors import SettingsError

S = TypeVar("S", bound="Settings")

DEFAULT_AMQP_URL = "amqp://guest:guest@localhost:5672/"
DEFAULT_DATABASE_URL = "postgresql://localhost/certsmith"


class _NamedSource(PydanticBaseSettingsSource):
    """A source that looks a field up under each of its names in the environment."""

    @abstractmethod
    def look_up(self, name: str) -> object:
        """Return this source's value for the environment variable *name*, None if it has none."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of *field*, its key, and whether it must be decoded."""
        for name in environment_names(self.settings_cls, field_name, field):
            value = self.look_up(name)
            if value is not None:
                return value, field_name, isinstance(value, str) and self.field_is_complex(field)
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of all fields that this source has."""
        found = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, key, is_complex = self.get_field_value(field, field_name)
            if value is not None:
                found[key] = self.prepare_field_value(field_name, field, value, is_complex) if is_complex else value
        return found


class _FileSource(_NamedSource):
    """Reads a setting from the file that `<NAME>_FILE` names; one trailing line break is not part of the value."""

    def look_up(self, name: str) -> object:
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None
        try:
            return Path(path).read_text("utf-8").removesuffix("\n")
        except OSError as error:
            raise SettingsError(f"{name}_FILE: {path} cannot be read: {error.strerror}") from error


class _YamlSource(_NamedSource):
    """Reads a setting from `certsmith.yaml`, whose keys are the environment's names in lower case."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        path = Path(os.environ.get("CERTSMITH_CONFIG", "certsmith.yaml"))
        try:
            document = yaml.safe_load(path.read_text("utf-8")) if path.exists() else None
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"{path} cannot be read: {error}") from error
        if not isinstance(document, dict | None):
            raise SettingsError(f"{path} must be a mapping of settings, such as `amqp_url: amqp://…`")
        self._document: dict[str, object] = document or {}

    def look_up(self, name: str) -> object:
        return self._document.get(name.lower())


def environment_names(cls: type[BaseSettings], field_name: str, field: FieldInfo) -> list[str]:
    """Return the environment variables that can set *field_name* of *cls*; the first one that is set wins."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    if isinstance(alias, str):
        return [alias]
    return [f"{cls.model_config.get('env_prefix', '')}{field_name}".upper()]


class Settings(BaseSettings):
    """The base of all settings: frozen, read once at start."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources; the first one that has a value wins."""
        return init_settings, env_settings, _FileSource(settings_cls), _YamlSource(settings_cls)


def load(cls: type[S]) -> S:
    """Return the settings of *cls*.

    Raises:
        SettingsError: settings are missing or wrong; one line for each, with the environment variable's name.
    """
    try:
        return cls()
    except ValidationError as error:
        lines = []
        for item in error.errors(include_input=False, include_url=False):
            location = str(item["loc"][0]) if item["loc"] else ""
            field = cls.model_fields.get(location)
            name = environment_names(cls, location, field)[0] if field else location.upper() or cls.__name__
            lines.append(f"{name}: {item['msg'].removeprefix('Value error, ')}")
        raise SettingsError("\n".join(lines)) from None


class LogSettings(Settings):
    """How a process writes its log."""

    model_config = SettingsConfigDict(env_prefix="LOG_")
    level: str = Field("info", pattern="(?i)^(debug|info|warning|error)$")
    format: str = Field("json", pattern="^(json|console)$", description="json for machines, console for people")


class KeySettings(Settings):
    """The folder of the key rings."""

    model_config = SettingsConfigDict(env_prefix="CERTSMITH_")
    keys_dir: Path = Field(Path("keys"), description="the folder of the key ring files")


class ConnectionSettings(Settings):
    """The addresses of RabbitMQ and PostgreSQL, for programs that are no service: the command line and migrations."""

    amqp_url: SecretStr = Field(SecretStr(DEFAULT_AMQP_URL), validation_alias="AMQP_URL")
    amqp_management_url: SecretStr | None = Field(None, validation_alias="AMQP_MANAGEMENT_URL")
    database_url: SecretStr = Field(SecretStr(DEFAULT_DATABASE_URL), validation_alias="DATABASE_URL")

    @property
    def management_url(self) -> str:
        """The broker's management API, with user and password; by default on port 15672 of the broker's host."""
        if self.amqp_management_url is not None:
            return self.amqp_management_url.get_secret_value()
        parts = urlsplit(self.amqp_url.get_secret_value())
        userinfo, at, _ = parts.netloc.rpartition("@")
        scheme, port = ("https", 15671) if parts.scheme == "amqps" else ("http", 15672)
        return f"{scheme}://{userinfo}{at}{parts.hostname or 'localhost'}:{port}"


class ServiceSettings(ConnectionSettings):
    """The settings of every service; `<SERVICE>_AMQP_URL` and `<SERVICE>_DATABASE_URL` win over the common ones."""

    service: ClassVar[str]
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(None, ge=0, le=65535, description="/metrics, /live and /ready; 0: any free port")
    grace_seconds: float = Field(30.0, gt=0, description="how long a stop may take before it is enforced")


def own_or_common(service: str, name: str) -> AliasChoices:
    """Return the names of a setting with its own value for *service*: `PROVISIONER_AMQP_URL` wins over `AMQP_URL`."""
    return AliasChoices(f"{service.upper()}_{name}", name)
