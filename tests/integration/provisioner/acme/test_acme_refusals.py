"""Refusals of a real Pebble, and our verdicts on them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio

from dev.ports import free_address
from dev.servers.pebble import Pebble
from services.provisioner import csr
from services.provisioner.adapters.acme import HttpCertificateAuthorities, open_certificate_authorities
from services.provisioner.adapters.acme.account import HttpAcmeAccount
from services.provisioner.adapters.acme.keys import base64url
from services.provisioner.adapters.acme.transport import Call
from services.provisioner.rules.acme import AuthorityError, AuthorizationStatus, ExternalAccount, OrderStatus, Phase
from services.provisioner.rules.ca_errors.classify import verdict, verdict_on_order
from services.provisioner.rules.ca_errors.verdict import Change, Remedy, Scope
from shared.events import ErrorCode
from tests.rig.acme import Client, SettledPebble, soon

MAC_KEY = b"the key that the authority gave to its customer, 32 bytes or more"


class StrictPebble(SettledPebble):
    """A Pebble that requires external accounts, and blocks a domain."""

    more: ClassVar = {
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": {"kid-1": base64url(MAC_KEY)},
        "domainBlocklist": ["blocked.example.com"],
    }


@pytest_asyncio.fixture
async def strict(server_folder: Path) -> AsyncIterator[Pebble]:
    """Yield such a Pebble."""
    async with await StrictPebble.start(server_folder / "pebble") as server:
        yield server


@pytest_asyncio.fixture
async def authorities(strict: Pebble) -> AsyncIterator[HttpCertificateAuthorities]:
    """Yield the CAs, of which *strict* is one."""
    async with open_certificate_authorities(trusted_ca_pem=strict.ca_file.read_text()) as authorities:
        yield authorities


@pytest.fixture
def stranger(strict: Pebble, authorities: HttpCertificateAuthorities) -> HttpAcmeAccount:
    """Return an account that *strict* does not know yet."""
    return authorities.account(directory_url=strict.directory_url, key_pkcs8=authorities.new_key(), url=None)


async def test_an_authority_may_require_an_external_account(stranger: HttpAcmeAccount) -> None:
    with pytest.raises(AuthorityError, match="externalAccountRequired") as caught:
        await stranger.register(contact=None, external_account=None, deadline=soon())

    found = verdict(caught.value, name="shop.example.com")
    assert (found.remedy, found.scope) == (Remedy.OPERATOR, Scope.ACCOUNT)
    assert found.error_code is ErrorCode.ACCOUNT_ERROR


async def test_the_right_external_account_is_accepted(strict: Pebble, stranger: HttpAcmeAccount) -> None:
    external = ExternalAccount(key_id="kid-1", mac_key=MAC_KEY)

    account = await stranger.register(contact=None, external_account=external, deadline=soon())

    assert account.url.startswith(f"https://{strict.address}/")
    assert "Successful newAccount Binding" in strict.log_text()


@pytest.mark.parametrize(("key_id", "mac_key"), [("kid-1", b"x" * 32), ("kid-2", MAC_KEY)])
async def test_a_wrong_external_account_is_for_the_operator_to_fix(
    stranger: HttpAcmeAccount, key_id: str, mac_key: bytes
) -> None:
    external = ExternalAccount(key_id=key_id, mac_key=mac_key)

    with pytest.raises(AuthorityError, match="unauthorized") as caught:
        await stranger.register(contact=None, external_account=external, deadline=soon())

    assert verdict(caught.value, name="shop.example.com").remedy is Remedy.OPERATOR
    assert "x" * 32 not in repr(external)


async def test_a_blocked_name_is_never_tried_again(stranger: HttpAcmeAccount) -> None:
    external = ExternalAccount(key_id="kid-1", mac_key=MAC_KEY)
    await stranger.register(contact=None, external_account=external, deadline=soon())

    with pytest.raises(AuthorityError) as caught:
        await stranger.new_order(["blocked.example.com"], deadline=soon())

    found = verdict(caught.value, name="blocked.example.com")
    assert (found.remedy, found.error_code) == (Remedy.NEVER, ErrorCode.REJECTED_IDENTIFIER)
    assert found.refused_names == ("blocked.example.com",)


async def test_a_wrong_answer_is_for_the_owner_to_fix(client: Client) -> None:
    order = await client.prove(await client.order("wrong-answer.example.com"), answer="<html>parked</html>")

    assert order.status is OrderStatus.INVALID
    authorization = await client.authorization(order)
    assert authorization.status is AuthorizationStatus.INVALID
    found = verdict_on_order(order, [authorization])
    assert (found.remedy, found.error_code) == (Remedy.AFTER_USER, ErrorCode.VALIDATION_ERROR)
    assert "parked" in found.message
    assert "the owner of its DNS must" in found.message


async def test_a_closed_port_is_for_the_owner_to_fix(client: Client) -> None:
    client.address = free_address()  # a closed port

    order = await client.prove(await client.order("closed.example.com"))

    found = verdict_on_order(order, [await client.authorization(order)])
    assert (found.remedy, found.error_code) == (Remedy.AFTER_USER, ErrorCode.VALIDATION_ERROR)
    assert "connection refused" in found.message


async def test_a_request_for_other_names_is_refused(client: Client) -> None:
    ready = await client.prove(await client.order("mine.example.com"))
    request = csr.make(["yours.example.com"], key_type="ecdsa").request

    with pytest.raises(AuthorityError) as caught:
        await client.account.finalize(ready, request, deadline=soon())

    assert caught.value.phase is Phase.FINALIZE
    assert verdict(caught.value, name="mine.example.com").remedy is Remedy.FRESH_ORDER


async def test_finalizing_too_early_asks_to_read_the_order_again(client: Client) -> None:
    pending = await client.order("early.example.com")

    with pytest.raises(AuthorityError, match="orderNotReady") as caught:
        await client.finalize(pending)

    assert verdict(caught.value, name="early.example.com").remedy is Remedy.REREAD


async def test_an_impossible_name_is_refused_for_good(client: Client) -> None:
    with pytest.raises(AuthorityError, match="malformed") as caught:
        await client.account.new_order(["not_a_name.example.com"], deadline=soon())

    assert verdict(caught.value, name="not_a_name.example.com").remedy is Remedy.NEVER


async def test_an_order_that_is_gone_asks_for_a_fresh_one(client: Client) -> None:
    order = await client.order("gone.example.com")

    with pytest.raises(AuthorityError) as caught:
        await client.account.order(f"{order.url}-gone", deadline=soon())

    assert caught.value.status == 404
    assert verdict(caught.value, name="gone.example.com").remedy is Remedy.FRESH_ORDER


async def test_an_account_that_the_authority_forgot_is_registered_again(own_pebble: Pebble) -> None:
    async with open_certificate_authorities(trusted_ca_pem=own_pebble.ca_file.read_text()) as authorities:
        account = authorities.account(directory_url=own_pebble.directory_url, key_pkcs8=authorities.new_key(), url=None)
        before = await account.register(contact=None, external_account=None, deadline=soon())
        await own_pebble.kill()
        await own_pebble.resume()

        with pytest.raises(AuthorityError) as caught:
            await account.new_order(["forgotten.example.com"], deadline=soon())
        after = await account.register(contact=None, external_account=None, deadline=soon())
        order = await account.new_order(["forgotten.example.com"], deadline=soon())

    found = verdict(caught.value, name="forgotten.example.com")
    assert (found.remedy, found.change) == (Remedy.FRESH_ORDER, Change.REGISTER_AGAIN)
    assert after.url != before.url
    assert order.status is OrderStatus.PENDING


async def test_a_deactivated_account_is_for_the_operator_to_fix(client: Client) -> None:
    account = await client.account.register(contact=None, external_account=None, deadline=soon())
    call = Call(method="POST", url=account.url, phase=Phase.ACCOUNT)
    await client.account._post(call, json.dumps({"status": "deactivated"}).encode(), soon())

    with pytest.raises(AuthorityError) as caught:
        await client.account.register(contact=None, external_account=None, deadline=soon())

    found = verdict(caught.value, name="shop.example.com")
    assert (found.remedy, found.scope) == (Remedy.OPERATOR, Scope.ACCOUNT)


async def test_an_unregistered_account_orders_nothing(client: Client) -> None:
    stranger = client.authorities.account(
        directory_url=client.directory_url, key_pkcs8=client.authorities.new_key(), url=None
    )

    with pytest.raises(AuthorityError, match="not registered") as caught:
        await stranger.new_order(["shop.example.com"], deadline=soon())

    assert verdict(caught.value, name="shop.example.com").change is Change.REGISTER_AGAIN
