"""The release of orders that cannot continue."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.provisioner.rules.acme import AuthorityError, Failure, Phase
from services.provisioner.rules.budgets import NEW_ORDERS, REGISTERED_DOMAIN
from services.provisioner.rules.ca_errors import classify
from services.provisioner.rules.ca_errors.verdict import Change, Pace, Remedy, Scope, Verdict
from services.provisioner.rules.orders import Trouble
from services.provisioner.rules.setbacks import Setbacks
from shared.events import ErrorCode, OrderState
from shared.identifiers import new_account_id, new_key_id
from tests.builders.orders import an_order

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
SETBACKS = Setbacks(slow_seconds=(60.0, 600.0), dns_poll_seconds=5.0, dice=lambda: 0.0, clock=lambda: NOW)
TROUBLE = Trouble(error_code="CHALLENGE_ERROR", message="do something")


def a_verdict(remedy: Remedy = Remedy.AFTER_USER, **facts: object) -> Verdict:
    return Verdict(remedy=remedy, error_code=ErrorCode.VALIDATION_ERROR, message="why", **facts)  # type: ignore[arg-type]  # its fields


def test_the_first_look_at_a_dns_that_is_not_ready_is_published_and_the_next_is_not() -> None:
    first = SETBACKS.dns_not_ready(an_order(), "create a record")
    second = SETBACKS.dns_not_ready(first.after, "create a record")

    assert (first.after.state, first.after.failing_since) == (OrderState.WAITING_DNS, NOW)
    assert (first.is_published, second.is_published) == (True, False)
    assert (first.wait, second.wait) == (timedelta(seconds=5), timedelta(seconds=8))


def test_an_order_at_the_ca_whose_answer_is_not_seen_stays_where_it_is() -> None:
    setback = SETBACKS.dns_not_ready(an_order(OrderState.VALIDATING), "open port 80")

    assert setback.after.state is OrderState.VALIDATING


def test_what_needs_a_human_ends_the_order_and_is_published() -> None:
    setback = SETBACKS.human_needed(an_order(), TROUBLE)

    assert (setback.after.state, setback.is_final, setback.is_published) == (OrderState.FAILED, True, True)


def test_an_order_that_the_ca_still_works_on_waits_as_long_as_it_asks_and_nothing_is_wrong() -> None:
    setback = SETBACKS.look_again(an_order(OrderState.VALIDATING), 30.0)

    assert (setback.wait, setback.trouble, setback.is_published) == (timedelta(seconds=30), None, False)
    assert setback.after.failing_since is None


def test_an_exhausted_budget_is_no_failure_and_names_the_time() -> None:
    order = an_order(OrderState.KEYED)

    setback = SETBACKS.budget_exhausted(order, "the limit is reached", timedelta(hours=1))

    assert (setback.after, setback.wait, setback.is_published) == (order, timedelta(hours=1), False)
    assert setback.trouble is not None
    assert "can be ordered at 2026-02-01 13:00 UTC" in setback.trouble.message


@pytest.mark.parametrize(
    ("remedy", "state", "order_url"),
    [
        (Remedy.RETRY_LATER, OrderState.VALIDATING, "url"),
        (Remedy.REREAD, OrderState.VALIDATING, "url"),
        (Remedy.OPERATOR, OrderState.VALIDATING, "url"),
        (Remedy.FRESH_ORDER, OrderState.QUEUED, None),
        (Remedy.AFTER_USER, OrderState.QUEUED, None),
        (Remedy.NEVER, OrderState.FAILED, "url"),
    ],
)
def test_a_verdict_leads_to_the_state_that_its_trigger_names(
    remedy: Remedy, state: OrderState, order_url: str | None
) -> None:
    setback = SETBACKS.try_failed(an_order(OrderState.VALIDATING, order_url="url"), a_verdict(remedy))

    assert (setback.after.state, setback.after.order_url) == (state, order_url)


def test_failed_tries_wait_longer_and_longer() -> None:
    order, waits = an_order(OrderState.VALIDATING), []
    for _ in range(3):
        setback = SETBACKS.try_failed(order, a_verdict())
        waits.append(setback.wait.total_seconds())
        order = replace(setback.after, state=OrderState.VALIDATING)

    assert waits == [60.0, 600.0, 600.0]
    assert order.attempt == 3


def test_an_order_that_the_ca_forgets_again_and_again_is_made_again_less_and_less_often() -> None:
    forgotten = a_verdict(Remedy.FRESH_ORDER, pace=Pace.QUICK, counts=False)
    order, waits = an_order(OrderState.VALIDATING), []
    for _ in range(4):
        setback = SETBACKS.try_failed(order, forgotten)
        waits.append(setback.wait.total_seconds())
        order = replace(setback.after, state=OrderState.VALIDATING)

    assert waits == [1.0, 3.0, 10.0, 30.0]


def test_a_refusal_that_does_not_count_is_neither_published_nor_a_failed_try() -> None:
    setback = SETBACKS.try_failed(an_order(OrderState.ORDERING), a_verdict(Remedy.RETRY_LATER, counts=False))

    assert (setback.after.attempt, setback.after.failing_since, setback.is_published) == (0, None, False)


def test_after_thirty_days_of_failure_the_order_is_parked_and_that_is_published() -> None:
    order = an_order(OrderState.WAITING_DNS, checks=1000, failing_since=NOW - timedelta(days=30))

    setback = SETBACKS.dns_not_ready(order, "create a record")

    assert (setback.after.state, setback.is_final, setback.is_published) == (OrderState.PARKED, True, True)


@pytest.mark.parametrize(
    ("scope", "limit"),
    [
        (Scope.ORDER, None),
        (Scope.REGISTERED_DOMAIN, REGISTERED_DOMAIN),
        (Scope.ACCOUNT, NEW_ORDERS),
        (Scope.AUTHORITY, NEW_ORDERS),
    ],
)
def test_a_limit_that_the_ca_says_is_used_up_is_closed_for_all(scope: Scope, limit: str | None) -> None:
    order = an_order(OrderState.ORDERING, account_id=new_account_id())

    setback = SETBACKS.try_failed(order, a_verdict(Remedy.RETRY_LATER, scope=scope, retry_after_seconds=90.0))

    assert (setback.closes.scope if setback.closes else None) == limit
    assert setback.closed_for == timedelta(seconds=90)
    assert setback.wait >= timedelta(seconds=90)


def test_a_key_that_the_ca_refuses_is_replaced() -> None:
    order = an_order(OrderState.FINALIZING, key_id=new_key_id(), csr=b"csr")

    setback = SETBACKS.try_failed(order, a_verdict(Remedy.FRESH_ORDER, change=Change.NEW_KEY))

    assert (setback.after.key_id, setback.after.csr) == (None, None)


def test_a_profile_that_the_ca_does_not_offer_is_left_out() -> None:
    order = an_order(OrderState.ORDERING, profile="short")

    setback = SETBACKS.try_failed(order, a_verdict(Remedy.RETRY_NOW, change=Change.WITHOUT_PROFILE))

    assert setback.after.profile is None


def test_an_error_of_this_program_is_tried_again() -> None:
    setback = SETBACKS.stopped_by_a_bug(an_order(OrderState.ORDERED))

    assert (setback.after.state, setback.is_final) == (OrderState.ORDERED, False)
    assert setback.trouble is not None
    assert setback.trouble.error_code == ErrorCode.INTERNAL_ERROR


def test_after_503_the_order_waits_as_long_as_the_ca_asks_and_so_do_the_other_orders_of_the_account() -> None:
    order = an_order(OrderState.ORDERING, account_id=new_account_id())
    error = AuthorityError(
        message="busy", phase=Phase.NEW_ORDER, failure=Failure.PROBLEM, status=503, retry_after_seconds=120.0
    )

    setback = SETBACKS.try_failed(order, classify.verdict(error, name=order.name))

    assert (setback.after.state, setback.after.attempt, setback.is_published) == (OrderState.ORDERING, 0, False)
    assert setback.wait == setback.closed_for == timedelta(seconds=120)
    assert setback.closes is not None
    assert (setback.closes.scope, setback.closes.subject) == (NEW_ORDERS, order.account_id)
