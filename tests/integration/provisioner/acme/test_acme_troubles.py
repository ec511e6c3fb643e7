"""Faults of the network and of busy CAs, by a gate between the clients and a real Pebble."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from dev.certificates import Authority
from dev.servers.ca_gate import CaGate
from dev.servers.faults import Answer, DropAnswer, Endpoint, HoldAnswer, Reset, problem, rate_limited, unavailable
from services.provisioner.adapters.acme import open_certificate_authorities
from services.provisioner.rules.acme import AuthorityError, Failure, OrderStatus, Phase
from services.provisioner.rules.ca_errors.classify import verdict
from services.provisioner.rules.ca_errors.verdict import Change, Remedy, Scope
from shared.errors import SettingsError
from tests.rig.acme import Client, soon

NAME = "trouble.example.com"


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the time zone of this process to New York, five hours behind UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def refused(client: Client, name: str = NAME) -> AuthorityError:
    """Return how a new order for *name* fails."""
    with pytest.raises(AuthorityError) as caught:
        await client.order(name)
    return caught.value


async def test_a_new_order_whose_answer_was_lost_is_found_and_not_asked_for_again(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, DropAnswer())

    error = await refused(gated, "lost-answer.example.com")
    found = await gated.account.unfinished_orders(["lost-answer.example.com"], deadline=soon())

    assert (error.failure, error.phase, error.outcome_unknown) == (Failure.UNREACHABLE, Phase.NEW_ORDER, True)
    assert verdict(error, name=NAME).remedy is Remedy.REREAD
    assert [order.status for order in found] == [OrderStatus.PENDING]
    assert gate.count(Endpoint.NEW_ORDER) == 1


async def test_a_finalization_whose_answer_was_lost_is_found_done(gate: CaGate, gated: Client) -> None:
    ready = await gated.prove(await gated.order("lost-finalize.example.com"))
    gate.inject(Endpoint.FINALIZE, DropAnswer())

    with pytest.raises(AuthorityError) as caught:
        await gated.finalize(ready)
    valid = await gated.settle(ready)

    assert caught.value.outcome_unknown
    assert valid.status in (OrderStatus.PROCESSING, OrderStatus.VALID)
    assert gate.count(Endpoint.FINALIZE) == 1


async def test_a_reset_new_order_may_have_been_carried_out(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, Reset())

    assert (await refused(gated)).outcome_unknown


@pytest.mark.parametrize("endpoint", [Endpoint.ORDER, Endpoint.AUTHORIZATION])
async def test_a_request_that_changes_nothing_is_repeated_at_once(
    gate: CaGate, gated: Client, endpoint: Endpoint
) -> None:
    order = await gated.order(f"{endpoint}-again.example.com".lower())
    gate.inject(endpoint, DropAnswer())

    assert (await gated.account.order(order.url, deadline=soon())).status is OrderStatus.PENDING
    assert (await gated.authorization(order)).challenges


async def test_a_request_to_an_unreachable_ca_was_not_carried_out(gate: CaGate, gated: Client) -> None:
    order = await gated.order("away.example.com")
    await gate.close()

    error = await refused(gated)
    with pytest.raises(AuthorityError) as caught:
        await gated.account.order(order.url, deadline=soon())
    await gate.open()

    assert (error.failure, error.outcome_unknown) == (Failure.UNREACHABLE, False)
    found = verdict(error, name=NAME)
    assert (found.remedy, found.scope, found.counts) == (Remedy.RETRY_LATER, Scope.AUTHORITY, False)
    assert caught.value.failure is Failure.UNREACHABLE
    assert await gated.account.order(order.url, deadline=soon()) == order


async def test_a_request_without_an_answer_ends_at_the_deadline(gate: CaGate, gated: Client) -> None:
    held = HoldAnswer()
    gate.inject(Endpoint.NEW_ORDER, held)
    started = time.monotonic()

    with pytest.raises(AuthorityError) as caught:
        await gated.account.new_order([NAME], deadline=soon(0.5))
    held.release.set()

    assert time.monotonic() - started < 5
    assert (caught.value.failure, caught.value.outcome_unknown) == (Failure.TIMEOUT, True)


async def test_a_deadline_that_has_passed_sends_nothing(gate: CaGate, gated: Client) -> None:
    await gated.order("warm.example.com")
    before = len(gate.seen)

    with pytest.raises(AuthorityError) as caught:
        await gated.account.new_order([NAME], deadline=soon(-1))

    assert caught.value.failure is Failure.TIMEOUT
    assert len(gate.seen) == before


async def test_cancelling_is_not_swallowed(gate: CaGate, gated: Client) -> None:
    held = HoldAnswer()
    gate.inject(Endpoint.NEW_ORDER, held)
    task = asyncio.ensure_future(gated.order("cancelled.example.com"))
    await held.reached.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.release.set()

    assert (await gated.order("after-cancelling.example.com")).status is OrderStatus.PENDING


async def test_a_busy_load_balancer_slows_the_whole_authority_down(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, unavailable(retry_after="120"))

    error = await refused(gated)

    assert (error.status, error.problem, error.retry_after_seconds) == (503, None, 120.0)
    assert not error.outcome_unknown
    found = verdict(error, name=NAME)
    assert (found.scope, found.retry_after_seconds, found.counts) == (Scope.AUTHORITY, 120.0, False)


@pytest.mark.usefixtures("new_york")
async def test_a_date_to_wait_for_is_understood_in_any_time_zone(gate: CaGate, gated: Client) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)
    gate.inject(Endpoint.NEW_ORDER, unavailable(retry_after=until))

    error = await refused(gated)

    assert error.retry_after_seconds == pytest.approx(1800, abs=30)


async def test_a_limit_of_the_account_holds_all_its_orders_back(gate: CaGate, gated: Client) -> None:
    detail = "too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-20 15:00:00 UTC"
    gate.inject(Endpoint.NEW_ORDER, rate_limited(detail, retry_after="3600"))

    error = await refused(gated)

    found = verdict(error, name=NAME)
    assert (found.remedy, found.scope, found.retry_after_seconds) == (Remedy.RETRY_LATER, Scope.ACCOUNT, 3600.0)


async def test_after_already_replaced_the_order_leaves_that_out(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, problem("alreadyReplaced", status=409, detail="replaced by another order"))

    error = await refused(gated)

    assert verdict(error, name=NAME).change is Change.WITHOUT_REPLACES


async def test_a_server_error_may_hide_a_new_order(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, problem("serverInternal", status=500, retry_after="60"))

    error = await refused(gated)

    assert (error.outcome_unknown, error.retry_after_seconds) == (True, 60.0)


async def test_an_order_in_an_unknown_state_is_only_unknown(gate: CaGate, gated: Client) -> None:
    order = await gated.order("frozen.example.com")
    shown = {"status": "frozen", "authorizations": [], "finalize": order.finalize_url, "identifiers": "?"}
    gate.inject(Endpoint.ORDER, Answer(status=200, body=json.dumps(shown), content_type="application/json"))

    assert (await gated.account.order(order.url, deadline=soon())).status is OrderStatus.UNKNOWN
    assert (await gated.account.order(order.url, deadline=soon())).status is OrderStatus.PENDING


async def test_reads_of_an_order_respect_retry_after(gate: CaGate, gated: Client) -> None:
    pending = await gated.order("patient.example.com")
    ready = await gated.prove(pending)
    before = gate.count(Endpoint.ORDER)
    shown = {"status": "pending", "authorizations": [], "finalize": pending.finalize_url}
    gate.inject(
        Endpoint.ORDER, Answer(status=200, body=json.dumps(shown), content_type="application/json", retry_after="1")
    )
    started = time.monotonic()

    assert await gated.settle(pending) == ready

    assert time.monotonic() - started >= 1
    assert gate.count(Endpoint.ORDER) == before + 2


async def test_a_wait_beyond_patience_is_left_to_the_caller(gate: CaGate, gated: Client) -> None:
    order = await gated.order("impatient.example.com")
    shown = {"status": "pending", "authorizations": [], "finalize": order.finalize_url}
    gate.inject(
        Endpoint.ORDER,
        Answer(status=200, body=json.dumps(shown), content_type="application/json", retry_after="600"),
    )
    started = time.monotonic()

    same = await gated.account.settled(order, patience_seconds=20, deadline=soon())

    assert same.retry_after_seconds == 600.0
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body="<html>maintenance</html>"),
        Answer(status=200, body="{}"),
        Answer(status=200, body="[]"),
        Answer(status=200, body="x" * (2 << 20)),
        Answer(status=302),
    ],
    ids=["html", "empty", "list", "2 MiB", "redirect"],
)
async def test_an_unreadable_answer_may_hide_a_new_order(gate: CaGate, gated: Client, answer: Answer) -> None:
    gate.inject(Endpoint.NEW_ORDER, answer)

    error = await refused(gated)

    assert (error.failure, error.outcome_unknown) == (Failure.MALFORMED, True)


async def test_an_error_in_html_is_classified_by_its_status(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, Answer(status=502, body="<html>Bad Gateway</html>", content_type="text/html"))

    error = await refused(gated)

    assert (error.failure, error.status, error.problem) == (Failure.PROBLEM, 502, None)
    assert verdict(error, name=NAME).remedy is Remedy.RETRY_LATER


async def test_a_bad_nonce_without_a_new_one_is_replaced_by_a_fetched_one(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, problem("badNonce", status=400))

    assert (await gated.order("bad-nonce.example.com")).status is OrderStatus.PENDING


async def test_a_ca_that_refuses_every_nonce_is_given_up(gate: CaGate, gated: Client) -> None:
    gate.inject(Endpoint.NEW_ORDER, *[problem("badNonce", status=400)] * 100)

    error = await refused(gated)

    assert error.problem is not None
    assert error.problem.type == "badNonce"
    assert 10 <= gate.count(Endpoint.NEW_ORDER) <= 40
    assert not verdict(error, name=NAME).counts


async def test_a_ca_whose_tls_does_not_verify_gets_no_request(gate: CaGate) -> None:
    other = Authority.create("Somebody else's authority").pem.decode()
    async with open_certificate_authorities(trusted_ca_pem=other) as authorities:
        account = authorities.account(directory_url=gate.directory_url, key_pkcs8=authorities.new_key(), url=None)

        with pytest.raises(AuthorityError) as caught:
            await account.register(contact=None, external_account=None, deadline=soon())

    assert (caught.value.failure, caught.value.outcome_unknown) == (Failure.UNTRUSTED, False)
    found = verdict(caught.value, name=NAME)
    assert found.remedy is Remedy.OPERATOR
    assert "AUTOCERT_TRUSTED_CA" in found.message
    assert gate.seen == []


@pytest.mark.parametrize("url", ["http://ca.example.com/dir", "ftp://127.0.0.1/dir", "file:///etc/passwd", "nonsense"])
async def test_a_directory_that_is_not_https_gets_no_request(url: str) -> None:
    async with open_certificate_authorities() as authorities:
        account = authorities.account(directory_url=url, key_pkcs8=authorities.new_key(), url=None)

        with pytest.raises(AuthorityError, match="not https"):
            await account.register(contact=None, external_account=None, deadline=soon())


@pytest.mark.parametrize(
    "url", ["https://", "https://ca.test:99999/dir", "https://[::1/dir", "https://a b/dir", "https://\u00fc.test:1/dir"]
)
async def test_an_unusable_directory_url_raises_our_error(url: str) -> None:
    async with open_certificate_authorities() as authorities:
        account = authorities.account(directory_url=url, key_pkcs8=authorities.new_key(), url=None)

        with pytest.raises(AuthorityError):
            await account.register(contact=None, external_account=None, deadline=soon())


@pytest.mark.parametrize(
    "pem", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
)
async def test_a_trust_bundle_without_certificates_is_refused(pem: str) -> None:
    with pytest.raises(SettingsError, match="AUTOCERT_TRUSTED_CA"):
        async with open_certificate_authorities(trusted_ca_pem=pem):
            pass
