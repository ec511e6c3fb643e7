"""The remedy for an error of a certificate authority, as values; `classify` finds them."""

from dataclasses import dataclass
from enum import StrEnum

from services.provisioner.rules.orders import Trigger
from shared.events import ErrorCode


class Remedy(StrEnum):
    """The remedies, from the lightest to the heaviest."""

    DONE = "done"
    """Nothing needs to be done: the request was carried out before."""
    RETRY_NOW = "retry_now"
    """Repeat the request at once, with the verdict's ``change``."""
    REREAD = "reread"
    """Read the order and continue from its status. If that leads to the same refusal again, wait as for RETRY_LATER."""
    RETRY_LATER = "retry_later"
    """Continue later from the order's status, which is read first; the order at the CA is still good."""
    FRESH_ORDER = "fresh_order"
    """The order at the CA is dead, and no action is needed: make a new one later."""
    AFTER_USER = "after_user"
    """The domain's owner must act. New orders, at slowly growing intervals, find out when that is done."""
    OPERATOR = "operator"
    """The platform's operator must act. Nothing in the verdict's scope can succeed before."""
    NEVER = "never"
    """This order can never succeed: the domain needs another name, or another CA."""


class Scope(StrEnum):
    """What else the error concerns: orders in this scope must wait too."""

    ORDER = "order"
    REGISTERED_DOMAIN = "registered_domain"
    ACCOUNT = "account"
    AUTHORITY = "authority"


class Change(StrEnum):
    """What must change before the next try."""

    WITHOUT_REPLACES = "without_replaces"
    WITHOUT_PROFILE = "without_profile"
    REGISTER_AGAIN = "register_again"
    NEW_KEY = "new_key"
    """Make a new key and CSR, once: if these are refused too, the fault is ours."""


class Pace(StrEnum):
    """How fast waits grow after a failed try; a wait is never shorter than the CA's Retry-After.

    A try that is not a failed one (`Verdict.is_failed_try`) waits 1 second growing to 1 hour, whatever its pace.
    """

    QUICK = "quick"
    """For the network: 1 second to 5 minutes."""
    STEADY = "steady"
    """For the CA's own problems: 5 seconds to 30 minutes."""
    SLOW = "slow"
    """For problems that somebody must fix: 1, 10, 100 minutes, then daily (Let's Encrypt's integration guide)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The remedy, its pace and scope, and one sentence that names who must do what."""

    remedy: Remedy
    error_code: ErrorCode
    message: str
    pace: Pace = Pace.SLOW
    scope: Scope = Scope.ORDER
    change: Change | None = None
    counts: bool = True
    """Whether it counts as a failed attempt, by which waits grow."""
    retry_after_seconds: float | None = None
    refused_names: tuple[str, ...] = ()
    """The names that the CA refuses; an order without them can succeed."""

    @property
    def trigger(self) -> Trigger | None:
        """What happens to the order; None if it continues later from its present state."""
        match self.remedy:
            case Remedy.NEVER:
                return Trigger.HUMAN_NEEDED
            case Remedy.FRESH_ORDER | Remedy.AFTER_USER:
                return Trigger.TRY_FAILED
            case Remedy.DONE | Remedy.RETRY_NOW | Remedy.REREAD | Remedy.RETRY_LATER | Remedy.OPERATOR:
                # What the platform's operator must fix is not the order's fault.
                return None

    @property
    def is_failed_try(self) -> bool:
        """Whether waits must grow: it counts, or it costs another order at the CA, which allows few."""
        return self.counts or self.remedy is Remedy.FRESH_ORDER
