"""A running RabbitMQ broker, reached by its AMQP address and its management API."""

from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from yarl import URL

MANAGEMENT_PORT: Final = 15672
_ALL: Final = ".*"


class Broker:
    """A broker with an administrator's login, and the operations that tests need in addition to AMQP."""

    def __init__(self, *, user: str, password: str, host: str, port: int, management_url: str) -> None:
        self.user: Final = user
        self.password: Final = password
        self.host: Final = host
        self.port: Final = port
        self.management_url: Final = management_url

    @classmethod
    def at(cls, amqp_url: str, management_url: str | None = None) -> Self:
        """Return the broker at *amqp_url*, whose management API has the same host, user and password."""
        url = urlsplit(amqp_url)
        host = url.hostname or "localhost"
        return cls(
            user=unquote(url.username or "guest"),
            password=unquote(url.password or "guest"),
            host=host,
            port=url.port or 5672,
            management_url=management_url or f"http://{host}:{MANAGEMENT_PORT}",
        )

    @property
    def amqp_url(self) -> str:
        """The administrator's address for the default virtual host."""
        return self.url_for(self.user, self.password)

    def url_for(self, user: str, password: str, *, vhost: str = "/") -> str:
        """Return the AMQP address of *user* in *vhost*."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"amqp://{login}@{self.host}:{self.port}/{quote(vhost, safe='')}"

    async def add_vhost(self, name: str) -> str:
        """Create the virtual host *name* and return the administrator's AMQP address in it."""
        await self.manage("PUT", f"vhosts/{quote(name, safe='')}", {})
        await self.permit(self.user, vhost=name)
        return self.url_for(self.user, self.password, vhost=name)

    async def delete_vhost(self, name: str) -> None:
        """Delete the virtual host *name* with everything in it."""
        await self.manage("DELETE", f"vhosts/{quote(name, safe='')}")

    async def add_user(self, user: str, password: str, *, tags: str = "") -> None:
        """Create *user*, or change its password; it has no permissions until `permit` gives it some."""
        await self.manage("PUT", f"users/{quote(user, safe='')}", {"password": password, "tags": tags})

    async def delete_user(self, user: str) -> None:
        """Delete *user*."""
        await self.manage("DELETE", f"users/{quote(user, safe='')}")

    async def permit(
        self, user: str, *, vhost: str = "/", configure: str = _ALL, write: str = _ALL, read: str = _ALL
    ) -> None:
        """Let *user* configure, write to and read from the names that the three patterns match in *vhost*."""
        patterns = {"configure": configure, "write": write, "read": read}
        await self.manage("PUT", f"permissions/{quote(vhost, safe='')}/{quote(user, safe='')}", patterns)

    async def answers(self) -> bool:
        """Whether the management API answers."""
        try:
            await self.manage("GET", "whoami")
        except aiohttp.ClientError:
            return False
        return True

    async def manage(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON answer of the management API; raise aiohttp.ClientResponseError when it refuses."""
        login = {"Authorization": aiohttp.encode_basic_auth(self.user, self.password)}
        async with (
            aiohttp.ClientSession(headers=login, raise_for_status=True) as session,
            session.request(method, URL(f"{self.management_url}/api/{path}", encoded=True), json=body) as response,
        ):
            return await response.json() if response.content_type == "application/json" else None
