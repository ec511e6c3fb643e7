"""The steps from an order at the CA to proven control of its names, by HTTP-01."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.provisioner.rules.acme import AuthorizationStatus, CaAuthorization, ChallengeStatus, OrderStatus, Problem
from services.provisioner.rules.ca_errors.verdict import Remedy
from services.provisioner.rules.challenges import ChallengeAnswer
from services.provisioner.rules.orders import Trigger
from services.provisioner.rules.reachability import DnsAnswer, DnsOutcome, ProbeOutcome
from services.provisioner.steps.challenges.http01 import Http01
from services.provisioner.steps.results import Advance, CaStillWorking, DnsNotReady, StepResult, TryFailed
from services.provisioner.steps.run import Run
from services.provisioner.steps.validate import publish, validate
from shared.events import OrderState
from tests.builders.orders import a_run
from tests.fakes.acme_account import (
    AUTHORIZATION_URL,
    CHALLENGE_URL,
    URL,
    RecordingAcmeAccount,
    a_ca_order,
    an_authorization,
)
from tests.fakes.dns import FixedProbe

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_validating_run() -> Run:
    return a_run(OrderState.VALIDATING, order_url=URL, authorization_urls=(AUTHORIZATION_URL,))


async def validated(account: RecordingAcmeAccount, probe: FixedProbe | None = None) -> StepResult:
    return await validate(a_validating_run(), account, Http01(probe=probe))


async def test_one_thumbprint_answers_for_each_name_and_the_ca_is_not_asked() -> None:
    run, account = a_run(OrderState.ORDERED, order_expires_at=NOW, names=("a.test", "b.test")), RecordingAcmeAccount()

    result = await publish(run, account, Http01(probe=None), now=NOW)

    assert result == Advance(
        trigger=Trigger.CHALLENGES_PUBLISHED,
        answers=tuple(
            ChallengeAnswer(name=name, kind="http-01", answer="thumb", expires_at=NOW) for name in ("a.test", "b.test")
        ),
    )
    assert not account.requests


async def test_answers_to_an_order_without_an_end_stay_for_a_week() -> None:
    result = await publish(a_run(OrderState.ORDERED), RecordingAcmeAccount(), Http01(probe=None), now=NOW)

    assert isinstance(result, Advance)
    assert [answer.expires_at for answer in result.answers] == [NOW + timedelta(days=7)]


async def test_the_ca_is_asked_to_look_once_our_own_answer_was_seen() -> None:
    account, probe = RecordingAcmeAccount(), FixedProbe()

    result = await validated(account, probe)

    assert result == Advance(trigger=Trigger.AUTHORIZED)
    assert account.asked == ["order", "authorization", "answer", "settled"]
    assert ("answer", CHALLENGE_URL) in account.requests
    assert probe.expected == ["dG9r.thumb"]


async def test_the_probe_gets_the_answer_of_the_dns_that_the_run_has() -> None:
    run = a_validating_run()
    run.dns_answer = DnsAnswer(name="shop.example.com", outcome=DnsOutcome.FOUND)
    probe = FixedProbe()

    await validate(run, RecordingAcmeAccount(), Http01(probe=probe))

    assert probe.known == [run.dns_answer]


@pytest.mark.parametrize("outcome", [outcome for outcome in ProbeOutcome if outcome is not ProbeOutcome.OK])
async def test_the_ca_is_not_asked_to_look_while_our_own_answer_cannot_be_seen(outcome: ProbeOutcome) -> None:
    account = RecordingAcmeAccount()

    result = await validated(account, FixedProbe(outcome))

    assert isinstance(result, DnsNotReady)
    assert "port 80 must be open" in result.message
    assert "answer" not in account.asked


async def test_an_authorization_without_http_01_waits() -> None:
    account = RecordingAcmeAccount(authorization_now=an_authorization(kind="dns-01"))

    result = await validated(account)

    assert result == DnsNotReady(message="the CA offers no HTTP-01 challenge for shop.example.com")


@pytest.mark.parametrize(
    "found",
    [an_authorization(AuthorizationStatus.VALID), an_authorization(challenge=ChallengeStatus.PROCESSING)],
    ids=["valid", "processing"],
)
async def test_a_challenge_that_the_ca_looks_at_already_is_not_answered_again(found: CaAuthorization) -> None:
    account = RecordingAcmeAccount(authorization_now=found)

    result = await validated(account, FixedProbe())

    assert isinstance(result, Advance)
    assert account.asked == ["order", "authorization", "settled"]


@pytest.mark.parametrize("status", [OrderStatus.READY, OrderStatus.PROCESSING, OrderStatus.VALID])
async def test_an_order_that_is_authorized_already_goes_on_without_a_challenge(status: OrderStatus) -> None:
    account = RecordingAcmeAccount(order_now=a_ca_order(status))

    result = await validated(account, FixedProbe())

    assert result == Advance(trigger=Trigger.AUTHORIZED)
    assert account.asked == ["order"]


async def test_a_run_that_saw_the_order_does_not_ask_for_it_again() -> None:
    run, account = a_validating_run(), RecordingAcmeAccount()
    run.ca_order = a_ca_order(OrderStatus.READY)

    await validate(run, account, Http01(probe=None))

    assert not account.requests


async def test_a_failed_validation_fails_the_try_with_the_words_of_the_ca() -> None:
    problem = Problem(type="connection", detail="refused")
    failed = an_authorization(AuthorizationStatus.INVALID)
    failed = replace(failed, challenges=(replace(failed.challenges[0], error=problem),))
    account = RecordingAcmeAccount(order_now=a_ca_order(OrderStatus.INVALID), authorization_now=failed)

    result = await validated(account)

    assert isinstance(result, TryFailed)
    assert (result.verdict.remedy, result.problem) == (Remedy.AFTER_USER, problem)


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.UNKNOWN])
async def test_an_order_that_the_ca_still_works_on_is_looked_at_again(status: OrderStatus) -> None:
    result = await validated(RecordingAcmeAccount(settles_as=status))

    assert result == CaStillWorking(retry_after_seconds=None)
