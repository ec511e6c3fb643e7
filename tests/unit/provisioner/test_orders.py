"""The states of an order and its transitions."""

import textwrap
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.order_states import table
from services.provisioner.rules import orders
from services.provisioner.rules.orders import TRANSITIONS, Trigger, advance, without_ca_order
from shared.errors import IllegalTransitionError
from shared.events import OrderState
from shared.registry.order_states import FINISHED
from tests.builders.orders import an_order

MAIN_PATH = (
    (Trigger.KEY_STORED, OrderState.KEYED),
    (Trigger.ORDER_INTENDED, OrderState.ORDERING),
    (Trigger.ORDER_CREATED, OrderState.ORDERED),
    (Trigger.CHALLENGES_PUBLISHED, OrderState.VALIDATING),
    (Trigger.AUTHORIZED, OrderState.FINALIZING),
    (Trigger.CERTIFICATE_STORED, OrderState.ISSUED),
)


def test_the_main_path_leads_from_queued_to_issued() -> None:
    order = an_order()

    for trigger, state in MAIN_PATH:
        order = advance(order, trigger)
        assert order.state is state


@pytest.mark.parametrize(("state", "trigger"), list(product(sorted(FINISHED), Trigger)))
def test_nothing_moves_a_finished_order(state: OrderState, trigger: Trigger) -> None:
    with pytest.raises(IllegalTransitionError, match=trigger):
        advance(an_order(state), trigger)


@pytest.mark.parametrize("state", [state for state in OrderState if state not in FINISHED])
def test_every_unfinished_order_can_fail_be_given_up_and_be_cancelled(state: OrderState) -> None:
    assert advance(an_order(state), Trigger.HUMAN_NEEDED).state is OrderState.FAILED
    assert advance(an_order(state), Trigger.GIVEN_UP).state is OrderState.PARKED
    assert advance(an_order(state), Trigger.CANCELLED).state is OrderState.CANCELLED


@given(st.lists(st.sampled_from(Trigger)))
def test_no_sequence_of_triggers_reaches_the_ca_without_a_key(triggers: list[Trigger]) -> None:
    order, has_key = an_order(), False

    for trigger in triggers:
        if (order.state, trigger) in TRANSITIONS:
            order = advance(order, trigger)
            has_key = has_key or trigger is Trigger.KEY_STORED

    at_the_ca = {OrderState.ORDERING, OrderState.ORDERED, OrderState.VALIDATING, OrderState.FINALIZING}
    assert has_key or order.state not in {OrderState.KEYED, OrderState.ISSUED, *at_the_ca}


def test_a_new_try_forgets_the_order_at_the_ca_and_keeps_the_key() -> None:
    order = replace(
        an_order(OrderState.VALIDATING), csr=b"csr", order_url="https://ca.example/order/1", authorization_urls=("u",)
    )

    again = without_ca_order(advance(order, Trigger.TRY_FAILED))

    assert (again.state, again.csr, again.order_url, again.authorization_urls) == (OrderState.QUEUED, b"csr", None, ())


def test_the_docstring_shows_every_transition() -> None:
    assert textwrap.indent(table(), "    ") in (orders.__doc__ or "")
