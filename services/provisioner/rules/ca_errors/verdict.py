"""What helps after a certificate authority said no, as values; `classification` finds them."""

from dataclasses import dataclass
from enum import StrEnum

from services.provisioner.rules.orders import Trigger


class Remedy(StrEnum):
    """What helps, from the lightest to the heaviest."""

    DONE = "done"
    """Nothing needs to be done: what was asked for is already so."""
    RETRY_NOW = "retry_now"
    """The same request at once, with the verdict's ``change``."""
    REREAD = "reread"
    """Read the order and go on from what it says. When that leads to the same refusal again, wait as RETRY_LATER."""
    RETRY_LATER = "retry_later"
    """Go on later from where the order stands, which is read first; the order at the authority is still good."""
    FRESH_ORDER = "fresh_order"
    """The order at the authority is dead, by nobody's fault outside: a new one, later."""
    AFTER_USER = "after_user"
    """The domain's owner must act. A new order by the slow ladder finds out when he did."""
    OPERATOR = "operator"
    """The platform's operator must act. Nothing that this concerns can succeed before."""
    NEVER = "never"
    """This order cannot succeed, whatever anybody does: the domain needs another name, or another authority."""


class Scope(StrEnum):
    """What must wait, or is concerned, besides this order."""

    ORDER = "order"
    REGISTERED_DOMAIN = "registered_domain"
    ACCOUNT = "account"
    AUTHORITY = "authority"


class Change(StrEnum):
    """What must be different at the next try."""

    WITHOUT_REPLACES = "without_replaces"
    WITHOUT_PROFILE = "without_profile"
    REGISTER_AGAIN = "register_again"
    NEW_KEY = "new_key"
    """A new key and CSR; once: when that is refused too, the fault is ours."""


class Pace(StrEnum):
    """How fast waits grow; a Retry-After is never undercut."""

    QUICK = "quick"
    """The network: 1 second to 5 minutes."""
    STEADY = "steady"
    """The authority's own trouble: 5 seconds to 30 minutes."""
    SLOW = "slow"
    """What somebody must mend: 1, 10, 100 minutes, then daily (Let's Encrypt's integration guide)."""


class ErrorCode(StrEnum):
    """One word for programs, as ``certificate.failed`` and the domain's status show it."""

    DNS_ERROR = "DNS_ERROR"
    CAA_ERROR = "CAA_ERROR"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    REJECTED_IDENTIFIER = "REJECTED_IDENTIFIER"
    RATE_LIMITED = "RATE_LIMITED"
    ACCOUNT_ERROR = "ACCOUNT_ERROR"
    AUTHORITY_ERROR = "AUTHORITY_ERROR"
    INTERNAL_ERROR = "INTERNAL_ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What helps, how long it takes, whom it concerns, and one sentence that names who must do what."""

    remedy: Remedy
    error_code: ErrorCode
    message: str
    pace: Pace = Pace.SLOW
    scope: Scope = Scope.ORDER
    change: Change | None = None
    counts: bool = True
    """Whether it is one of the failed attempts by which waits grow."""
    retry_after_seconds: float | None = None
    refused_names: tuple[str, ...] = ()
    """Of several names those that cannot be had; the others can, in an order without them."""

    @property
    def trigger(self) -> Trigger | None:
        """What happens to the order; None: it goes on later from where it stands."""
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
