"""An ACME client for tests, and a server that answers its challenges."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from aiohttp import web

from dev.servers.ca_gate import CaGate
from dev.servers.pebble import Pebble
from services.provisioner import csr
from services.provisioner.adapters.acme import HttpCertificateAuthorities, open_certificate_authorities
from services.provisioner.adapters.acme.account import HttpAcmeAccount
from services.provisioner.rules.acme import CaAuthorization, CaOrder, OrderStatus

SECONDS: Final = 600.0  # the patience of the client, not of a test


class SettledPebble(Pebble):
    """A Pebble with additional settings."""

    more: ClassVar[Mapping[str, Any]]

    def _configure(self) -> None:
        super()._configure()
        document = json.loads(self._configuration.read_text())
        document["pebble"].update(self.more)
        self._configuration.write_text(json.dumps(document))


@dataclass(slots=True)
class Responder:
    """Answers HTTP-01 for all names with *answers*, by token; counts the requests."""

    answers: dict[str, str] = field(default_factory=dict)
    asked: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.asked += 1
        answer = self.answers.get(request.match_info["token"])
        return web.Response(status=404, text="not found") if answer is None else web.Response(text=answer)

    @asynccontextmanager
    async def listening(self, address: str, port: int) -> AsyncIterator["Responder"]:
        """Listen for the length of the block."""
        application = web.Application()
        application.router.add_get("/.well-known/acme-challenge/{token}", self.handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, address, port).start()
            yield self
        finally:
            await runner.cleanup()


@dataclass(slots=True, kw_only=True)
class Client:
    """A registered account at *ca*, and the responder that answers for its names."""

    ca: Pebble
    directory_url: str
    authorities: HttpCertificateAuthorities
    key: bytes
    account: HttpAcmeAccount
    responder: Responder
    address: str

    async def order(self, *names: str) -> CaOrder:
        """Return a new order for *names*, which point to the responder."""
        for name in names:
            await self.ca.dns.set_a(name, self.address)
        return await self.account.new_order(names, deadline=soon())

    async def authorization(self, order: CaOrder) -> CaAuthorization:
        """Return the only authorization of *order*."""
        (url,) = order.authorization_urls
        return await self.account.authorization(url, deadline=soon())

    async def prove(self, order: CaOrder, answer: str | None = None) -> CaOrder:
        """Let the CA validate all names of *order*; *answer* replaces the right answers."""
        for url in order.authorization_urls:
            found = await self.account.authorization(url, deadline=soon())
            challenge = found.challenge("http-01")
            assert challenge is not None
            right = f"{challenge.token}.{self.account.thumbprint}"
            self.responder.answers[challenge.token] = answer or right
            await self.account.answer(challenge.url, deadline=soon())
        return await self.settle(order)

    async def settle(self, order: CaOrder) -> CaOrder:
        """Return *order* once its status has changed."""
        return await self.account.settled(order, patience_seconds=SECONDS, deadline=soon())

    async def finalize(self, order: CaOrder, request: bytes | None = None) -> CaOrder:
        """Return *order* once its certificate is issued."""
        request = request or csr.make(order.names, key_type="ecdsa").request
        after = await self.account.finalize(order, request, deadline=soon())
        return await self.settle(after) if after.status is OrderStatus.PROCESSING else after

    async def issue(self, *names: str) -> CaOrder:
        """Return a valid order for *names*."""
        return await self.finalize(await self.prove(await self.order(*names)))


def soon(seconds: float = SECONDS) -> float:
    """Return the deadline *seconds* from now, in the event loop's time."""
    return asyncio.get_running_loop().time() + seconds


@asynccontextmanager
async def a_client(ca: Pebble, address: str, *, gate: CaGate | None = None) -> AsyncIterator[Client]:
    """Yield a client of *ca*, through *gate* if given, whose responder listens at *address*."""
    async with (
        open_certificate_authorities(trusted_ca_pem=ca.ca_file.read_text()) as authorities,
        Responder().listening(address, ca.behaviour.http_port) as responder,
    ):
        key = authorities.new_key()
        url = (gate or ca).directory_url
        account = authorities.account(directory_url=url, key_pkcs8=key, url=None)
        await account.register(contact="mailto:admin@example.com", external_account=None, deadline=soon())
        yield Client(
            ca=ca,
            directory_url=url,
            authorities=authorities,
            key=key,
            account=account,
            responder=responder,
            address=address,
        )
