"""Logins and key rings of a platform: each service has its own, and no others."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import ClientResponseError

from certsmith.migration import principals
from certsmith.migration.schema import migrate
from certsmith.rotation import generation
from dev.servers import PostgreSQL, RabbitMQ
from shared.messaging.broker import topology
from shared.store.roles import Role
from shared.vault import key_files
from shared.vault.key_files import KeyFile

SERVICES: Final[tuple[Role, ...]] = ("provisioner", "validator", "terminator")
RINGS: Final[dict[str, tuple[KeyFile, ...]]] = {
    "provisioner": (key_files.VAULT_PUBLIC, key_files.SIGNING["provisioner"], key_files.PROVISIONER_SECRET),
    "validator": (key_files.VAULT_PUBLIC, key_files.SIGNING["validator"], key_files.INTAKE_SECRET),
    "terminator": (key_files.VAULT_SECRET, key_files.VERIFY),
    principals.PUBLISHER: (key_files.INTAKE_PUBLIC,),
}


PRINCIPALS: Final = (*SERVICES, principals.PUBLISHER)
KEEPER: Final[Role] = "keeper"


def new_passwords() -> dict[str, str]:
    """Return a password for each user; users belong to a server, so all platforms on it share them."""
    return {user: secrets.token_urlsafe(12) for user in (*PRINCIPALS, KEEPER)}


class Logins:
    """The users of a virtual host and a database, both called *name*; `migrate` creates them."""

    def __init__(self, name: str, *, broker: RabbitMQ, database: PostgreSQL, passwords: Mapping[str, str]) -> None:
        self.name: Final = name
        self._broker: Final = broker
        self._database: Final = database
        self._passwords: Final = passwords

    @property
    def administrator_url(self) -> str:
        """The database's address with the administrator's login."""
        return self._database.url_of(self.name)

    @property
    def administrator_amqp_url(self) -> str:
        """The virtual host's address with the administrator's login."""
        return self._broker.url_for(self._broker.user, self._broker.password, vhost=self.name)

    @property
    def management_url(self) -> str:
        """The broker's management API, with the administrator's login."""
        parts = urlsplit(self._broker.management_url)
        return parts._replace(netloc=f"{self._broker.user}:{self._broker.password}@{parts.netloc}").geturl()

    def amqp_url(self, user: str) -> str:
        """Return the broker's address for *user*, a service or the publisher."""
        return self._broker.url_for(f"certsmith-{user}", self._passwords[user], vhost=self.name)

    def database_url(self, service: Role) -> str:
        """Return the database's address for *service*."""
        return self._database.url_of(self.name, user=f"certsmith_{service}", password=self._passwords[service])

    async def migrate(self) -> None:
        """Create schema, roles, exchanges, queues and users, as `certsmith migrate` does."""
        await self._database.create_database(self.name)
        amqp_url = await self._broker.add_vhost(self.name)
        urls = {role: self.database_url(role) for role in (*SERVICES, KEEPER)}
        await migrate(self.administrator_url, service_urls=urls)
        await topology.declare(amqp_url, self.management_url)
        await principals.permit(amqp_url, self.management_url, {user: self.amqp_url(user) for user in PRINCIPALS})

    async def remove(self) -> None:
        """Delete the database and the virtual host, if they are there; the users stay."""
        await self._database.drop_database(self.administrator_url)
        with suppress(ClientResponseError):  # there is no such virtual host
            await self._broker.delete_vhost(self.name)


def share_keys(folder: Path) -> None:
    """Create all key rings below *folder*, for the keeper, and give each service its own.

    Each service has a folder of its name with hard links to the keeper's files, as a container has mounted files.
    """
    generation.generate(folder / KEEPER)
    for service, rings in RINGS.items():
        (folder / service).mkdir(mode=0o700)
        for ring in rings:
            (folder / service / ring.name).hardlink_to(folder / KEEPER / ring.name)
