"""A private DNS server with configurable answers: pebble-challtestsrv.

A record that is not set gets an empty answer, never NXDOMAIN. TTLs are 0. A query for the address of an alias is
answered with the alias and its target's address, one step deep; the client must follow further steps itself.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import aiohttp

from dev.ports import LOOPBACK, free_port
from dev.program import Command
from dev.servers import programs
from dev.servers.server import Server


class Names(Server):
    """A running DNS server."""

    name = "names"

    def __init__(self, folder: Path, *, default_address: str) -> None:
        super().__init__(folder)
        self.ports = (free_port(), free_port())
        self.address, self._management = (f"{LOOPBACK}:{port}" for port in self.ports)
        self._default_address: Final = default_address

    @classmethod
    async def start(cls, folder: Path, *, default_address: str = "") -> Self:
        """Return a new server; *default_address* is the A record of every name for which none was set."""
        folder.mkdir(parents=True, exist_ok=True)
        self = cls(folder, default_address=default_address)
        await self.resume()
        return self

    async def set_a(self, host: str, *addresses: str) -> None:
        """Replace the IPv4 addresses of *host*."""
        await self._set("clear-a", host=host)
        await self._set("add-a", host=host, addresses=addresses)

    async def set_aaaa(self, host: str, *addresses: str) -> None:
        """Replace the IPv6 addresses of *host*."""
        await self._set("clear-aaaa", host=host)
        await self._set("add-aaaa", host=host, addresses=addresses)

    async def set_cname(self, host: str, target: str) -> None:
        """Make *host* an alias of *target*."""
        await self._set("set-cname", host=host, target=target)

    async def set_txt(self, host: str, value: str) -> None:
        """Add a TXT record to *host*."""
        await self._set("set-txt", host=f"{host}.", value=value)

    async def servfail(self, host: str) -> None:
        """Make every query for *host* fail."""
        await self._set("set-servfail", host=host)

    async def clear(self, host: str) -> None:
        """Remove everything that was set for *host*."""
        for kind in ("a", "aaaa", "cname", "servfail", "caa"):
            await self._set(f"clear-{kind}", host=host)
        await self._set("clear-txt", host=f"{host}.")

    async def _set(self, path: str, **body: str | Sequence[str]) -> None:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.post(f"http://{self._management}/{path}", json=body),
        ):
            return

    def _command(self) -> Command:
        options = {
            "-dns01": self.address,
            "-management": self._management,
            "-http01": "",
            "-https01": "",
            "-tlsalpn01": "",
            "-defaultIPv4": self._default_address,
            "-defaultIPv6": "",
        }
        words = [word for option in options.items() for word in option]
        return Command(argv=[programs.challtestsrv(), *words], log=self.log)

    async def _is_ready(self) -> bool:
        """Return whether its management API answers; DNS queries are answered earlier than that."""
        try:
            await self._set("clear-a", host="ready.invalid")
        except aiohttp.ClientConnectionError:
            return False
        return True
