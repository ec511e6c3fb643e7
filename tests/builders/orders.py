"""Orders for certificates, and runs of them."""

from typing import Any

from services.provisioner.rules.orders import Order
from services.provisioner.steps.run import Run
from shared.events import OrderState
from shared.identifiers import new_domain_id, new_order_id


def an_order(state: OrderState = OrderState.QUEUED, **fields: Any) -> Order:
    """Return an order in *state*."""
    given = {
        "id": new_order_id(),
        "domain_id": new_domain_id(),
        "tenant": "",
        "names": ("shop.example.com",),
        "key_type": "ecdsa",
        "profile": None,
        "ca": "https://ca.test/directory",
        "lease_token": 1,
    }
    return Order(**{**given, "state": state, **fields})


def a_run(state: OrderState = OrderState.QUEUED, **fields: Any) -> Run:
    """Return a run that has just claimed an order in *state*."""
    return Run(an_order(state, **fields), deadline=1e9)
