"""Settings of the command line, in addition to those that all services read."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from shared.settings import DEFAULT_AMQP_URL, DEFAULT_DATABASE_URL, ConnectionSettings, own_or_common


class OperatorSettings(ConnectionSettings):
    """Addresses for an operator's commands: `OPERATOR_DATABASE_URL` wins over `DATABASE_URL`."""

    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL), validation_alias=own_or_common("operator", "DATABASE_URL")
    )


class PublisherSettings(OperatorSettings):
    """Addresses for publishing: `PUBLISHER_AMQP_URL`, whose user may only publish, wins over `AMQP_URL`."""

    amqp_url: SecretStr = Field(SecretStr(DEFAULT_AMQP_URL), validation_alias=own_or_common("publisher", "AMQP_URL"))


class KeeperSettings(ConnectionSettings):
    """Addresses for key rotation: `KEEPER_DATABASE_URL` wins over `DATABASE_URL`."""

    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL), validation_alias=own_or_common("keeper", "DATABASE_URL")
    )


class MigrationSettings(ConnectionSettings):
    """Addresses of services and roles with a login of their own; `migrate` creates these users, with their rights."""

    provisioner_database_url: SecretStr | None = None
    validator_database_url: SecretStr | None = None
    terminator_database_url: SecretStr | None = None
    api_database_url: SecretStr | None = None
    keeper_database_url: SecretStr | None = None
    operator_database_url: SecretStr | None = None
    provisioner_amqp_url: SecretStr | None = None
    validator_amqp_url: SecretStr | None = None
    terminator_amqp_url: SecretStr | None = None
    api_amqp_url: SecretStr | None = None
    publisher_amqp_url: SecretStr | None = None

    def own(self, name: str) -> dict[str, str]:
        """Return the addresses called `<service or role>_<name>` that are set, by service or role."""
        found = {}
        for field in type(self).model_fields:
            owner, separator, rest = field.partition(f"_{name}")
            value = getattr(self, field)
            if separator and not rest and isinstance(value, SecretStr):
                found[owner] = value.get_secret_value()
        return found


def shown(url: str) -> str:
    """Return *url* with user, host, port and path, but without password and parameters."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"
