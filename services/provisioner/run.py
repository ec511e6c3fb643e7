"""One worker's work on one claimed order, from the claim until its lease is given up."""

from dataclasses import dataclass

from services.provisioner.ports import AcmeAccount
from services.provisioner.rules.acme import CaOrder
from services.provisioner.rules.orders import Order
from services.provisioner.rules.reachability import DnsAnswer


@dataclass(slots=True)
class Run:
    """An order in hand, with what this run knows of it beyond its row.

    *deadline* (of the event loop's clock) is when the CA must have answered, well before the lease ends.
    *ca_order* is the order at the CA as this run last saw it; None after a claim, when only the CA can tell.
    *intended* says that this very run wrote the intent to ask for the order, so the CA has not heard of it yet.
    *dns_answer* is what the DNS said in this run, if it was asked.
    """

    order: Order
    deadline: float
    authority: AcmeAccount | None = None
    ca_order: CaOrder | None = None
    intended: bool = False
    dns_answer: DnsAnswer | None = None
