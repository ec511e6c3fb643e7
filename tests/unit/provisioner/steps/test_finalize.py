"""The step from proven control of the names to the certificate."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from services.provisioner import csr
from services.provisioner.rules.acme import OrderStatus, Problem
from services.provisioner.steps.finalize import finalize
from services.provisioner.steps.results import CaStillWorking, Issued, StepResult, TryFailed
from shared.events import OrderState
from tests.builders.judging.certificates import issue
from tests.builders.orders import a_run
from tests.fakes.acme_account import CERTIFICATE_URL, URL, RecordingAcmeAccount, a_ca_order

MADE = csr.make(["shop.example.com"], key_type="ecdsa")
CHAIN = (issue(key=load_der_private_key(MADE.private_key, None), names=["shop.example.com"]).der, b"issuer")
OF_ANOTHER_KEY = (issue(names=["shop.example.com"]).der,)


async def finalized(account: RecordingAcmeAccount) -> StepResult:
    return await finalize(a_run(OrderState.FINALIZING, order_url=URL, csr=MADE.request), account)


async def test_the_stored_csr_is_sent_and_the_chain_fetched() -> None:
    account = RecordingAcmeAccount(order_now=a_ca_order(OrderStatus.READY), settles_as=OrderStatus.VALID, chain=CHAIN)

    result = await finalized(account)

    assert isinstance(result, Issued)
    assert (result.chain, result.facts.names) == (CHAIN, ("shop.example.com",))
    assert account.requests == [
        ("order", URL),
        ("finalize", MADE.request),
        ("settled", URL),
        ("certificate", CERTIFICATE_URL),
    ]


async def test_an_order_that_was_finalized_before_a_crash_is_not_finalized_again() -> None:
    account = RecordingAcmeAccount(
        order_now=a_ca_order(OrderStatus.PROCESSING), settles_as=OrderStatus.VALID, chain=CHAIN
    )

    assert isinstance(await finalized(account), Issued)
    assert account.asked == ["order", "settled", "certificate"]


async def test_a_certificate_that_was_issued_before_a_crash_is_fetched() -> None:
    account = RecordingAcmeAccount(order_now=a_ca_order(OrderStatus.VALID), chain=CHAIN)

    assert isinstance(await finalized(account), Issued)
    assert account.asked == ["order", "certificate"]


async def test_a_certificate_for_another_key_fails_the_try() -> None:
    account = RecordingAcmeAccount(order_now=a_ca_order(OrderStatus.VALID), chain=OF_ANOTHER_KEY)

    result = await finalized(account)

    assert isinstance(result, TryFailed)
    assert "another key" in result.verdict.message


async def test_an_order_that_became_invalid_fails_the_try_with_the_words_of_the_ca() -> None:
    problem = Problem(type="caa", detail="forbidden")
    account = RecordingAcmeAccount(
        order_now=replace(a_ca_order(OrderStatus.READY), error=problem), finalizes_as=OrderStatus.INVALID
    )

    result = await finalized(account)

    assert isinstance(result, TryFailed)
    assert result.problem == problem


@pytest.mark.parametrize("status", [OrderStatus.PROCESSING, OrderStatus.PENDING, OrderStatus.UNKNOWN])
async def test_an_order_that_the_ca_still_works_on_is_looked_at_again(status: OrderStatus) -> None:
    account = RecordingAcmeAccount(order_now=a_ca_order(OrderStatus.READY), settles_as=status)

    assert await finalized(account) == CaStillWorking(retry_after_seconds=None)
