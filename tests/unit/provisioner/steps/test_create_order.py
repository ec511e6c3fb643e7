"""The steps from a stored key to an order at the CA."""

from collections.abc import Sequence

from services.provisioner.rules.budgets import Allowances
from services.provisioner.rules.orders import Trigger
from services.provisioner.steps.create_order import create_order, intend
from services.provisioner.steps.results import Advance
from services.provisioner.steps.run import Run
from shared.events import OrderState
from shared.identifiers import new_account_id
from tests.builders.orders import a_run
from tests.fakes.acme_account import URL, RecordingAcmeAccount, a_ca_order

OTHER_URL = "https://ca.test/order/2"
ALLOWANCES = Allowances(new_orders_per_3_hours=7, certificates_per_week=5)


async def none_known(_urls: Sequence[str]) -> frozenset[str]:
    return frozenset()


async def created(run: Run, account: RecordingAcmeAccount) -> Advance:
    result = await create_order(run, account, known=none_known)
    assert isinstance(result, Advance)
    return result


def test_the_intent_names_the_account_and_draws_on_both_limits() -> None:
    run, account_id = a_run(OrderState.KEYED, names=("www.example.com",)), new_account_id()

    result = intend(run, account_id, ALLOWANCES)

    assert isinstance(result, Advance)
    assert (result.trigger, result.changes) == (Trigger.ORDER_INTENDED, {"account_id": account_id})
    assert [(limit.subject, limit.capacity) for limit in result.draws] == [(account_id, 7), ("example.com", 5)]


async def test_the_run_that_wrote_the_intent_asks_for_a_new_order_at_once() -> None:
    run, account = a_run(OrderState.ORDERING), RecordingAcmeAccount()
    run.intended = True

    result = await created(run, account)

    assert account.asked == ["new_order"]
    assert (result.trigger, result.changes["order_url"]) == (Trigger.ORDER_CREATED, URL)
    assert result.changes["finalize_url"] == account.order_now.finalize_url
    assert result.changes["authorization_urls"] == account.order_now.authorization_urls
    assert run.ca_order == account.order_now


async def test_an_intent_counts_for_one_request_only() -> None:
    run, account = a_run(OrderState.ORDERING), RecordingAcmeAccount()
    run.intended = True

    await created(run, account)
    await created(run, account)

    assert account.asked == ["new_order", "unfinished_orders", "new_order"]


async def test_a_run_that_took_over_uses_the_order_whose_creation_was_not_committed() -> None:
    run = a_run(OrderState.ORDERING)
    account = RecordingAcmeAccount(unfinished=(a_ca_order(url=OTHER_URL),))

    result = await created(run, account)

    assert account.asked == ["unfinished_orders"]
    assert result.changes["order_url"] == OTHER_URL


async def test_a_run_that_took_over_leaves_the_orders_of_other_rows_alone() -> None:
    run = a_run(OrderState.ORDERING)
    account = RecordingAcmeAccount(unfinished=(a_ca_order(url=OTHER_URL),))

    async def known(urls: Sequence[str]) -> frozenset[str]:
        return frozenset(urls)

    result = await create_order(run, account, known=known)

    assert isinstance(result, Advance)
    assert account.asked == ["unfinished_orders", "new_order"]
    assert result.changes["order_url"] == URL
