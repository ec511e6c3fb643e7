"""One account at one CA: implements the port ``AcmeAccount``, which documents the methods."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Final

from acme.messages import Directory, ExternalAccountBinding

from services.provisioner.adapters.acme import answers, documents
from services.provisioner.adapters.acme.documents import Document
from services.provisioner.adapters.acme.endpoint import Endpoint
from services.provisioner.adapters.acme.headers import next_link
from services.provisioner.adapters.acme.keys import AccountKey, Signer, base64url
from services.provisioner.adapters.acme.order_list import OrderList
from services.provisioner.adapters.acme.transport import Call, Reply
from services.provisioner.ports import Known
from services.provisioner.rules.acme import (
    Account,
    AuthorityError,
    CaAuthorization,
    CaOrder,
    ExternalAccount,
    Failure,
    Phase,
    Problem,
)

_GET: Final = b""  # the payload of a POST-as-GET, RFC 8555 section 6.3
_CHAIN: Final = "application/pem-certificate-chain"  # RFC 8555 section 7.4.2
# Between looks at an order: Pebble needs milliseconds, Let's Encrypt one to three seconds.
_FIRST_PAUSE_SECONDS: Final = 0.03
_PAUSE_GROWTH: Final = 1.6
_LONGEST_PAUSE_SECONDS: Final = 5.0
_MAX_PAGES: Final = 1000  # of an account's list of orders


class HttpAcmeAccount:
    """Sends the requests of RFC 8555 for one account."""

    def __init__(self, endpoint: Endpoint, key: AccountKey, url: str | None) -> None:
        self._endpoint = endpoint
        self._key = key
        self._url = url
        self._signer: Signer | None = None if url is None else key.signer(url)
        self._orders = OrderList(self)

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint of the account's key."""
        return self._key.thumbprint

    async def register(
        self, *, contact: str | None, external_account: ExternalAccount | None, deadline: float
    ) -> Account:
        """Return the account of this key; create it if there is none (RFC 8555 section 7.3)."""
        directory = await self._endpoint.directory(deadline=deadline)
        wanted: dict[str, object] = {"termsOfServiceAgreed": True}
        if contact is not None:
            wanted["contact"] = [contact]
        if external_account is not None:
            wanted["externalAccountBinding"] = self._binding(external_account, directory.new_account)
        # Idempotent by key, so it can be repeated after a lost answer.
        call = Call(method="POST", url=directory.new_account, phase=Phase.ACCOUNT)
        bare_key = self._key.signer(None)
        reply = await self._endpoint.post(call, _json(wanted), signer=bare_key, deadline=deadline)
        url = _location(reply, call)
        _check_usable(answers.document_of(reply, call), url)
        self._url, self._signer = url, self._key.signer(url)
        return Account(url=url, thumbprint=self.thumbprint)

    async def new_order(
        self, names: Sequence[str], *, profile: str | None = None, replaces: str | None = None, deadline: float
    ) -> CaOrder:
        """Return a new order for *names* (RFC 8555 section 7.4)."""
        directory = await self._endpoint.directory(deadline=deadline)
        wanted: dict[str, object] = {"identifiers": [{"type": "dns", "value": name} for name in names]}
        if profile is not None:
            wanted["profile"] = profile  # draft-ietf-acme-profiles section 4
        if replaces is not None and directory.renewal_info is not None:
            wanted["replaces"] = replaces  # RFC 9773 section 5: only where renewal information is offered
        call = Call(method="POST", url=directory.new_order, phase=Phase.NEW_ORDER, changes=True)
        reply = await self._post(call, _json(wanted), deadline)
        return self._order(reply, call, url=_location(reply, call))

    async def unfinished_orders(
        self, names: Sequence[str], *, known: Known | None = None, deadline: float
    ) -> tuple[CaOrder, ...]:
        """Return the account's pending and ready orders for exactly *names* that are not *known*."""
        return await self._orders.unfinished(names, known=known, deadline=deadline)

    async def order_urls(self, *, deadline: float) -> list[str]:
        """Return the account's list of orders (RFC 8555 section 7.1.2.1); Let's Encrypt's accounts have no list."""
        account = Call(method="POST", url=self._url or "", phase=Phase.ACCOUNT)
        document = answers.document_of(await self._post(account, _GET, deadline), account)
        page = document.get("orders")
        urls: list[str] = []
        for _ in range(_MAX_PAGES):
            if not isinstance(page, str):
                break
            call = Call(method="POST", url=page, phase=Phase.ORDER)
            reply = await self._post(call, _GET, deadline)
            urls += answers.read(documents.urls, answers.document_of(reply, call), call, key="orders")
            page = next_link(", ".join(reply.headers.getall("Link", ())))
        return urls

    async def order(self, url: str, *, deadline: float) -> CaOrder:
        """Return the order as it is now."""
        call = Call(method="POST", url=url, phase=Phase.ORDER)
        return self._order(await self._post(call, _GET, deadline), call, url=url)

    async def settled(self, order: CaOrder, *, patience_seconds: float, deadline: float) -> CaOrder:
        """Return *order* as soon as its status changes, or as it is when *patience_seconds* are over."""
        loop = asyncio.get_running_loop()
        patience_ends = min(loop.time() + patience_seconds, deadline)
        seen = order
        for pause in _pauses():
            wait = max(pause, seen.retry_after_seconds or 0.0)  # RFC 8555 section 7.5.1
            if loop.time() + wait > patience_ends:
                return seen
            await asyncio.sleep(wait)
            seen = await self.order(order.url, deadline=deadline)
            if seen.status is not order.status:
                return seen
        raise AssertionError("the pauses have no end")

    async def authorization(self, url: str, *, deadline: float) -> CaAuthorization:
        """Return the authorization as it is now (RFC 8555 section 7.5)."""
        call = Call(method="POST", url=url, phase=Phase.AUTHORIZATION)
        reply = await self._post(call, _GET, deadline)
        document = answers.document_of(reply, call)
        wait = self._endpoint.wait_asked(reply)
        return answers.read(documents.authorization, document, call, url=url, retry_after_seconds=wait)

    async def answer(self, challenge_url: str, *, deadline: float) -> None:
        """Ask the CA to validate (RFC 8555 section 7.5.1)."""
        call = Call(method="POST", url=challenge_url, phase=Phase.CHALLENGE, changes=True)
        await self._post(call, b"{}", deadline)

    async def finalize(self, order: CaOrder, csr_der: bytes, *, deadline: float) -> CaOrder:
        """Send the CSR, and return *order* as it is afterwards (RFC 8555 section 7.4)."""
        call = Call(method="POST", url=order.finalize_url, phase=Phase.FINALIZE, changes=True)
        reply = await self._post(call, _json({"csr": base64url(csr_der)}), deadline)
        return self._order(reply, call, url=order.url)

    async def certificate(self, url: str, *, deadline: float) -> tuple[bytes, ...]:
        """Return the chain as DER, leaf first (RFC 8555 section 7.4.2)."""
        call = Call(method="POST", url=url, phase=Phase.CERTIFICATE, accept=_CHAIN)
        reply = await self._post(call, _GET, deadline)
        return answers.read(documents.chain, reply.body, call)

    async def _post(self, call: Call, payload: bytes, deadline: float) -> Reply:
        if self._signer is None:
            raise _unregistered(call)
        return await self._endpoint.post(call, payload, signer=self._signer, deadline=deadline)

    def _order(self, reply: Reply, call: Call, *, url: str) -> CaOrder:
        document = answers.document_of(reply, call)
        wait = self._endpoint.wait_asked(reply)
        return answers.read(documents.order, document, call, url=url, retry_after_seconds=wait)

    def _binding(self, external_account: ExternalAccount, url: str) -> dict[str, object]:
        """Return the binding to the operator's account (RFC 8555 section 7.3.4)."""
        return dict(
            ExternalAccountBinding.from_data(
                self._key.jwk,
                external_account.key_id,
                base64url(external_account.mac_key),
                Directory({"newAccount": url}),
            )
        )


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _location(reply: Reply, call: Call) -> str:
    """Return the URL of the new resource (RFC 8555 sections 7.3 and 7.4: the Location header field)."""
    url = reply.headers.get("Location")
    if not documents.is_url(url):
        raise answers.malformed(call, "it has no Location header field with the URL of the new resource")
    return url


def _check_usable(account: Document, url: str) -> None:
    """Raise if the account was deactivated or revoked (RFC 8555 section 7.1.6)."""
    status = account.get("status")
    if status in ("deactivated", "revoked"):
        raise AuthorityError(
            message=f"account: {url} is {status}",
            phase=Phase.ACCOUNT,
            failure=Failure.PROBLEM,
            problem=Problem(type="unauthorized", detail=f"the account {url} is {status}"),
        )


def _unregistered(call: Call) -> AuthorityError:
    return AuthorityError(
        message=f"{call.phase}: the account is not registered",
        phase=call.phase,
        failure=Failure.PROBLEM,
        problem=Problem(type="accountDoesNotExist", detail="the account is not registered"),
    )
