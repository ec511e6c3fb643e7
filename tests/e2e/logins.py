"""Who logs in where as whom, and who has which key rings: everybody his own, nobody more."""

import secrets
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dev.servers import PostgreSQL, RabbitMQ
from shared.messaging import principals, topology
from shared.store.migrate import migrate
from shared.store.roles import Role
from shared.vault import files, generating
from shared.vault.files import RingFile

DATABASE: Final = "certsmith"
SERVICES: Final[tuple[Role, ...]] = ("provisioner", "terminator")
RINGS: Final[dict[str, tuple[RingFile, ...]]] = {
    "provisioner": (files.VAULT_PUBLIC, files.SIGNING["provisioner"], files.PROVISIONER_SECRET),
    "terminator": (files.VAULT_SECRET, files.VERIFY),
}


class Logins:
    """The users of broker and database, made by `introduce`."""

    def __init__(self, broker: RabbitMQ, database: PostgreSQL) -> None:
        self._broker: Final = broker
        self._database: Final = database
        self._passwords: Final = {who: secrets.token_urlsafe(12) for who in (*SERVICES, principals.PUBLISHER)}

    @property
    def administrator_url(self) -> str:
        """The database, for who may do everything."""
        return self._database.url_of(DATABASE)

    @property
    def management_url(self) -> str:
        """The broker's management API, with the administrator's login."""
        parts = urlsplit(self._broker.management_url)
        return parts._replace(netloc=f"{self._broker.user}:{self._broker.password}@{parts.netloc}").geturl()

    def amqp_url(self, who: str) -> str:
        """Return the broker's address for *who*, a service or the publisher."""
        return self._broker.url_for(f"certsmith-{who}", self._passwords[who])

    def database_url(self, service: Role) -> str:
        """Return the database's address for *service*."""
        return self._database.url_of(DATABASE, user=f"certsmith_{service}", password=self._passwords[service])

    async def introduce(self) -> None:
        """Make schema, roles, exchanges, queues and users, as `certsmith migrate` does."""
        await self._database.create_database(DATABASE)
        urls = {service: self.database_url(service) for service in SERVICES}
        await migrate(self.administrator_url, service_urls=urls)
        await topology.declare(self._broker.amqp_url, self.management_url)
        await principals.permit(
            self._broker.amqp_url, self.management_url, {who: self.amqp_url(who) for who in self._passwords}
        )


def share_keys(folder: Path) -> None:
    """Make all key rings below *folder*, and give each service those that are its own: `keys_of` says where."""
    generating.generate(folder / "all")
    for service, rings in RINGS.items():
        (folder / service).mkdir(mode=0o700)
        for ring in rings:
            shutil.copy2(folder / "all" / ring.name, folder / service / ring.name)
    shutil.rmtree(folder / "all")
