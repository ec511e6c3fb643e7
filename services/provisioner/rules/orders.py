"""An order, the states it goes through, and what moves it from one to the next; pure.

All transitions, drawn from `TRANSITIONS` (a test compares them)::

    dns_not_ready         queued, waiting_dns ─▶ waiting_dns
    key_stored            queued, waiting_dns ─▶ keyed
    order_intended        keyed ─▶ ordering
    order_created         ordering ─▶ ordered
    challenges_published  ordered ─▶ validating
    authorized            validating ─▶ finalizing
    certificate_stored    finalizing ─▶ issued
    try_failed            keyed, ordering, ordered, validating, finalizing ─▶ queued
    human_needed          every unfinished state ─▶ failed
    given_up              every unfinished state ─▶ parked
    cancelled             every unfinished state ─▶ cancelled

Rules:

* Every transition is one committed UPDATE that names the state it leaves and the lease it was done under. Only
  `cancelled` needs no lease: the domain was deleted, or needs another kind of certificate.
* Whatever must survive a crash is written on entering a state: the key and the CSR before the CA hears of the order,
  so that no second key can ever be certified; the intent before a request that cannot be repeated blindly; the URLs as
  soon as they are known.
* After a crash the CA's status of the order is the truth. The row says where to look.
* A retry that is asked while a worker has the order is the column `retry_asked`. It changes no state, and makes the
  order due again as soon as the worker releases it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.provisioner.rules.acme import Problem
from shared.errors import IllegalTransitionError
from shared.events import NO_CAUSE, Cause, OrderState
from shared.identifiers import AccountId, DomainId, KeyId, OrderId
from shared.registry.order_states import FINISHED


class Trigger(StrEnum):
    """An event that moves an order from one state to the next."""

    DNS_NOT_READY = "dns_not_ready"
    """The name does not lead here yet."""
    KEY_STORED = "key_stored"
    """The name leads here, and the key and its CSR are stored."""
    ORDER_INTENDED = "order_intended"
    """The CA is about to be asked for an order; its limits allow it."""
    ORDER_CREATED = "order_created"
    """The CA has an order, and its URLs are stored."""
    CHALLENGES_PUBLISHED = "challenges_published"
    """Every terminator answers the CA's challenges."""
    AUTHORIZED = "authorized"
    """The CA accepted that the name is ours."""
    CERTIFICATE_STORED = "certificate_stored"
    """The certificate is stored, and served."""
    TRY_FAILED = "try_failed"
    """The order at the CA is dead; a new one is made later."""
    HUMAN_NEEDED = "human_needed"
    """Nothing helps until somebody acts."""
    GIVEN_UP = "given_up"
    """It failed for thirty days."""
    CANCELLED = "cancelled"
    """The domain does not need this certificate any longer."""


_AT_THE_CA: Final = (OrderState.ORDERING, OrderState.ORDERED, OrderState.VALIDATING, OrderState.FINALIZING)
_UNFINISHED: Final = tuple(state for state in OrderState if state not in FINISHED)

TRANSITIONS: Final[dict[tuple[OrderState, Trigger], OrderState]] = {
    (OrderState.QUEUED, Trigger.DNS_NOT_READY): OrderState.WAITING_DNS,
    (OrderState.WAITING_DNS, Trigger.DNS_NOT_READY): OrderState.WAITING_DNS,
    (OrderState.QUEUED, Trigger.KEY_STORED): OrderState.KEYED,
    (OrderState.WAITING_DNS, Trigger.KEY_STORED): OrderState.KEYED,
    (OrderState.KEYED, Trigger.ORDER_INTENDED): OrderState.ORDERING,
    (OrderState.ORDERING, Trigger.ORDER_CREATED): OrderState.ORDERED,
    (OrderState.ORDERED, Trigger.CHALLENGES_PUBLISHED): OrderState.VALIDATING,
    (OrderState.VALIDATING, Trigger.AUTHORIZED): OrderState.FINALIZING,
    (OrderState.FINALIZING, Trigger.CERTIFICATE_STORED): OrderState.ISSUED,
    # A try that failed starts again from the preflight: what failed may well be the DNS. Key and CSR are kept.
    **{(state, Trigger.TRY_FAILED): OrderState.QUEUED for state in (OrderState.KEYED, *_AT_THE_CA)},
    **{(state, Trigger.HUMAN_NEEDED): OrderState.FAILED for state in _UNFINISHED},
    **{(state, Trigger.GIVEN_UP): OrderState.PARKED for state in _UNFINISHED},
    **{(state, Trigger.CANCELLED): OrderState.CANCELLED for state in _UNFINISHED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The need of one domain for a certificate, as its row was when it was read."""

    id: OrderId
    domain_id: DomainId
    tenant: str
    names: tuple[str, ...]
    key_type: str
    profile: str | None
    ca: str
    state: OrderState
    lease_token: int
    account_id: AccountId | None = None
    attempt: int = 0
    checks: int = 0
    key_id: KeyId | None = None
    csr: bytes | None = None
    order_url: str | None = None
    finalize_url: str | None = None
    authorization_urls: tuple[str, ...] = ()
    order_expires_at: datetime | None = None
    failing_since: datetime | None = None
    cause: Cause = NO_CAUSE
    created_at: datetime | None = None  # None: not stored yet

    @property
    def name(self) -> str:
        """The name that the order is for."""
        return self.names[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with an order: a code for programs, a sentence for people, and the problem that the CA sent."""

    error_code: str
    message: str
    problem: Problem | None = None


def advance(order: Order, trigger: Trigger, **changes: Any) -> Order:  # noqa: ANN401 - fields of Order, checked by replace
    """Return *order* as it stands after *trigger*, with *changes* to its other fields.

    Raises:
        IllegalTransitionError: *trigger* cannot happen in the order's state.
    """
    try:
        state = TRANSITIONS[order.state, trigger]
    except KeyError:
        raise IllegalTransitionError(f"order {order.id} is {order.state}; {trigger} cannot happen now") from None
    return replace(order, state=state, **changes)


def without_ca_order(order: Order) -> Order:
    """Return *order* without its order at the CA, so that a new one is made."""
    return replace(order, order_url=None, finalize_url=None, authorization_urls=(), order_expires_at=None)
