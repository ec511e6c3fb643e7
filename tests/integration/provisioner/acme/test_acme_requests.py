"""The requests to a CA, recorded by a small CA."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from acme.jws import JWS
from aiohttp import web

from dev.ports import LOOPBACK, free_port
from services.provisioner.adapters.acme import open_certificate_authorities
from services.provisioner.adapters.acme.account import HttpAcmeAccount
from services.provisioner.rules.acme import AuthorityError, Failure
from tests.rig.acme import soon

ORDER: dict[str, object] = {"status": "pending", "authorizations": [], "identifiers": []}


@dataclass(slots=True)
class WritingAuthority:
    """A CA that accepts and records everything, and has no list of orders, like Let's Encrypt."""

    renewal_info: bool = False
    account: dict[str, object] = field(default_factory=lambda: {"status": "valid"})
    locates: bool = True
    requests: list[tuple[str, dict[str, str], JWS]] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """The URL of its directory."""
        return f"http://{LOOPBACK}:{self.port}"

    def sent(self, path: str) -> list[Any]:
        """Return the payloads that were sent to *path*."""
        return [json.loads(jws.payload or b"null") for to, _, jws in self.requests if to == path]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["WritingAuthority"]:
        """Serve for the length of the block."""
        application = web.Application()
        application.router.add_get("/dir", self._directory)
        application.router.add_get("/nonce", self._nonce)
        application.router.add_post("/{path}", self._accept)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, self.port).start()
            yield self
        finally:
            await runner.cleanup()

    async def _directory(self, _request: web.Request) -> web.Response:
        resources = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order"}
        if self.renewal_info:
            resources["renewalInfo"] = "renewal"
        return web.json_response({name: f"{self.url}/{path}" for name, path in resources.items()})

    async def _nonce(self, _request: web.Request) -> web.Response:
        return web.Response(headers={"Replay-Nonce": "bm9uY2U"})

    async def _accept(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.requests.append((path, dict(request.headers), JWS.json_loads(await request.text())))
        body = self.account if path in ("account", "account-1") else {**ORDER, "finalize": f"{self.url}/finalize"}
        headers = {"Replay-Nonce": "bm9uY2U"}
        if self.locates:
            headers["Location"] = f"{self.url}/{path}-1"
        return web.json_response(body, status=201, headers=headers)


@asynccontextmanager
async def an_account(at: WritingAuthority) -> AsyncIterator[HttpAcmeAccount]:
    """Yield an account that is registered at *at*."""
    async with at.serving(), open_certificate_authorities() as authorities:
        account = authorities.account(directory_url=f"{at.url}/dir", key_pkcs8=authorities.new_key(), url=None)
        await account.register(contact="mailto:admin@example.com", external_account=None, deadline=soon())
        yield account


async def test_requests_are_signed_by_the_key_first_and_by_the_account_afterwards() -> None:
    authority = WritingAuthority()

    async with an_account(authority) as account:
        await account.new_order(["shop.example.com"], deadline=soon())

    (_, _, registration), (_, headers, order) = authority.requests
    assert registration.verify()
    assert order.verify(registration.signature.combined.jwk)
    protected = json.loads(order.signature.protected)
    assert protected["kid"] == f"{authority.url}/account-1"
    assert protected["url"] == f"{authority.url}/order"
    assert headers["Content-Type"] == "application/jose+json"
    assert headers["User-Agent"].startswith("certsmith")


async def test_the_terms_are_agreed_to_and_the_contact_is_given() -> None:
    authority = WritingAuthority()

    async with an_account(authority):
        pass

    assert authority.sent("account") == [{"termsOfServiceAgreed": True, "contact": ["mailto:admin@example.com"]}]


@pytest.mark.parametrize(("renewal_info", "replaces"), [(False, None), (True, "aki.serial")])
async def test_a_replaced_certificate_is_named_only_to_cas_that_understand_it(
    renewal_info: bool,  # noqa: FBT001 - a parameter
    replaces: str | None,
) -> None:
    authority = WritingAuthority(renewal_info=renewal_info)

    async with an_account(authority) as account:
        await account.new_order(["a.example.com"], profile="shortlived", replaces="aki.serial", deadline=soon())

    (sent,) = authority.sent("order")
    assert sent["identifiers"] == [{"type": "dns", "value": "a.example.com"}]
    assert sent["profile"] == "shortlived"
    assert sent.get("replaces") == replaces


async def test_an_account_without_a_list_of_orders_has_none_unfinished() -> None:
    authority = WritingAuthority()

    async with an_account(authority) as account:
        assert await account.unfinished_orders(["a.example.com"], deadline=soon()) == ()


async def test_an_order_without_a_location_may_exist_all_the_same() -> None:
    authority = WritingAuthority()

    async with an_account(authority) as account:
        authority.locates = False
        with pytest.raises(AuthorityError) as caught:
            await account.new_order(["a.example.com"], deadline=soon())

    assert (caught.value.failure, caught.value.outcome_unknown) == (Failure.MALFORMED, True)


@pytest.mark.parametrize("status", ["deactivated", "revoked"])
async def test_a_deactivated_or_revoked_account_is_not_used(status: str) -> None:
    authority = WritingAuthority(account={"status": status})

    with pytest.raises(AuthorityError, match=status):
        async with an_account(authority):
            pass
