"""keyed → ordering → ordered: write down the intent, then create the order at the CA.

A request for a new order cannot be repeated blindly: each one counts against the CA's limits. So the intent is
committed first, with a token of each limit. A run that finds the intent of a process that died looks for the order that
the CA may have created for it, before it asks for another.
"""

from services.provisioner.ports import AcmeAccount, Known
from services.provisioner.rules.acme import CaOrder
from services.provisioner.rules.budgets import Allowances
from services.provisioner.rules.orders import Trigger
from services.provisioner.steps.results import Advance, StepResult
from services.provisioner.steps.run import Run
from shared.identifiers import AccountId


def intend(run: Run, account_id: AccountId, allowances: Allowances) -> StepResult:
    """Return the intent to create the order with the account *account_id*; it draws on the CA's limits."""
    order = run.order
    run.intended = True
    return Advance(
        trigger=Trigger.ORDER_INTENDED,
        changes={"account_id": account_id},
        draws=(
            allowances.of_account(order.ca, account_id),
            allowances.of_registered_domain(order.ca, order.name),
        ),
    )


async def create_order(run: Run, account: AcmeAccount, *, known: Known) -> StepResult:
    """Return the URLs of a new order at the CA, or of the one whose creation a dead process did not commit.

    *known* returns which orders at the CA have a row already.
    """
    found = None if run.intended else await _uncommitted_order(run, account, known)
    run.intended = False
    ca_order = found or await account.new_order(run.order.names, profile=run.order.profile, deadline=run.deadline)
    run.ca_order = ca_order
    return Advance(
        trigger=Trigger.ORDER_CREATED,
        changes={
            "order_url": ca_order.url,
            "finalize_url": ca_order.finalize_url,
            "authorization_urls": ca_order.authorization_urls,
            "order_expires_at": ca_order.expires_at,
        },
    )


async def _uncommitted_order(run: Run, account: AcmeAccount, known: Known) -> CaOrder | None:
    """Return an order for these names that the CA has and no row names."""
    found = await account.unfinished_orders(run.order.names, known=known, deadline=run.deadline)
    return next(iter(found), None)
