"""One worker's work on one claimed order, from the claim until its lease is given up."""

from dataclasses import dataclass

from services.provisioner.ports import AcmeAccount
from services.provisioner.rules.acme import CaOrder
from services.provisioner.rules.orders import Order
from services.provisioner.rules.reachability import DnsAnswer


@dataclass(slots=True)
class Run:
    """A claimed order, with what this run knows of it beyond its row.

    *deadline* (of the event loop's clock) is when the CA must have answered, well before the lease ends.
    *ca_order* is the order at the CA as this run last saw it; None after a claim, when only the CA knows its status.
    *intended* is True when this very run wrote the intent to create the order, so that the CA cannot know of it yet.
    *dns_answer* is the answer of the DNS in this run, if it was asked.
    """

    order: Order
    deadline: float
    ca_order: CaOrder | None = None
    intended: bool = False
    dns_answer: DnsAnswer | None = None

    async def order_at_ca(self, account: AcmeAccount) -> CaOrder:
        """Return the order at the CA as this run last saw it; a run that took the order over asks the CA."""
        if self.ca_order is None:
            assert self.order.order_url is not None  # stored on entering `ordered`
            self.ca_order = await account.order(self.order.order_url, deadline=self.deadline)
        return self.ca_order
