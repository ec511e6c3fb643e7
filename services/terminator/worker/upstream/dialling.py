"""Connections to upstreams. A name is resolved when it is dialled, and only its allowed addresses are tried."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Final, TypeVar

from services.terminator.worker.upstream.addresses import Network, refusal
from shared.errors import PermanentError, TransientError
from shared.upstreams import Address, Upstream

P = TypeVar("P", bound=asyncio.BaseProtocol)

_KEPT_SECONDS: Final = 5.0  # one look-up serves a burst of connections; a change in the DNS takes effect after it
_KEPT_NAMES: Final = 1024
_MAX_ADDRESSES: Final = 4  # tried for one name


class UpstreamForbiddenError(PermanentError):
    """An upstream has no address that is allowed."""


class UpstreamDownError(TransientError):
    """An upstream does not answer."""


class Dialler:
    """Connects to upstreams, never to a refused address, and never to the terminator's own listeners."""

    def __init__(
        self, *, allow: tuple[Network, ...], deny: tuple[Network, ...], own_ports: tuple[int, ...], seconds: float
    ) -> None:
        self._allow = allow
        self._deny = deny
        self._own_ports = frozenset(own_ports)
        self._seconds = seconds
        self._found: dict[tuple[str, int], tuple[float, list[str]]] = {}  # valid until (loop time), addresses

    async def dial(self, upstream: Upstream, factory: Callable[[], P]) -> P:
        """Return a protocol of *factory*, connected to *upstream*.

        Raises:
            UpstreamForbiddenError: it has no address that is allowed.
            UpstreamDownError: it does not answer, or its name has no address.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._first(await self._addresses(upstream), upstream.port, factory)
        except TimeoutError:
            raise UpstreamDownError(f"no answer in {self._seconds:g} s") from None

    def _allowed(self, addresses: tuple[Address, ...], port: int) -> list[str]:
        reasons = []
        allowed = []
        for address in addresses:
            reason = refusal(address, allow=self._allow, deny=self._deny)
            if reason is None and port in self._own_ports and _is_local(str(address)):
                reason = f"port {port} of {address} is the terminator itself"
            if reason is None:
                allowed.append(str(address))
            else:
                reasons.append(reason)
        if not allowed:
            raise UpstreamForbiddenError("; ".join(reasons))
        return allowed[:_MAX_ADDRESSES]

    async def _first(self, addresses: list[str], port: int, factory: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        if len(addresses) == 1:
            try:
                return (await loop.create_connection(factory, addresses[0], port))[1]
            except OSError as error:
                raise UpstreamDownError(f"{addresses[0]}: {error}") from None
        failure = ""
        for address in addresses:
            try:
                async with asyncio.timeout(self._seconds / len(addresses)):
                    return (await loop.create_connection(factory, address, port))[1]
            except (OSError, TimeoutError) as error:
                failure = f"{address}: {error}"
        raise UpstreamDownError(failure)

    async def _addresses(self, upstream: Upstream) -> list[str]:
        """Return the allowed addresses of *upstream*; dialling these, and no name, leaves no gap after the check."""
        now = asyncio.get_running_loop().time()
        kept = self._found.get((upstream.host, upstream.port))
        if kept is not None and kept[0] > now:
            return kept[1]
        allowed = self._allowed(await _resolve(upstream.host), upstream.port)
        if len(self._found) >= _KEPT_NAMES:
            self._found.clear()
        self._found[upstream.host, upstream.port] = (now + _KEPT_SECONDS, allowed)
        return allowed


async def _resolve(host: str) -> tuple[Address, ...]:
    try:
        return (ipaddress.ip_address(host),)
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UpstreamDownError(f"{host} has no address: {error}") from None
    return tuple(dict.fromkeys(ipaddress.ip_address(item[4][0]) for item in found))


def _is_local(address: str) -> bool:
    """Return whether this machine has *address*: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
