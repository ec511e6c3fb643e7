"""What the command line reads from the environment, beside what all services read."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from shared.settings import DEFAULT_AMQP_URL, DEFAULT_DATABASE_URL, ConnectionSettings, own_or_common


class OperatorSettings(ConnectionSettings):
    """How people reach the store: `OPERATOR_DATABASE_URL` wins over the common address."""

    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL), validation_alias=own_or_common("operator", "DATABASE_URL")
    )


class PublisherSettings(OperatorSettings):
    """How people publish: `PUBLISHER_AMQP_URL`, of a user that may do nothing else, wins over the common address."""

    amqp_url: SecretStr = Field(SecretStr(DEFAULT_AMQP_URL), validation_alias=own_or_common("publisher", "AMQP_URL"))


class KeeperSettings(ConnectionSettings):
    """How whoever rotates key rings reaches the store: `KEEPER_DATABASE_URL` wins over the common address."""

    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL), validation_alias=own_or_common("keeper", "DATABASE_URL")
    )


class MigrationSettings(ConnectionSettings):
    """The addresses of those who have one of their own: the user in each is made and gets its rights, no others."""

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
        """Return the addresses called `<who>_<name>` that are set, by who."""
        found = {}
        for field in type(self).model_fields:
            who, separator, rest = field.partition(f"_{name}")
            value = getattr(self, field)
            if separator and not rest and isinstance(value, SecretStr):
                found[who] = value.get_secret_value()
        return found


def shown(url: str) -> str:
    """Return *url* as people may see it: who, where and what, without the password and the parameters."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"
