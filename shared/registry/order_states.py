"""The states of an order for a certificate, and which of them are final.

The provisioner's table of transitions is `services.provisioner.rules.orders`. The states are here because the views of
the registry show them too. SQL gets them as literals, from the two functions below only: PostgreSQL uses a partial
index when the query's condition implies the index's, and it cannot see through a parameter.
"""

from enum import StrEnum
from typing import Final


class OrderState(StrEnum):
    """The state of an order, as its row and the views have it."""

    QUEUED = "queued"
    WAITING_DNS = "waiting_dns"
    KEYED = "keyed"
    ORDERING = "ordering"
    ORDERED = "ordered"
    VALIDATING = "validating"
    FINALIZING = "finalizing"
    ISSUED = "issued"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"


FINISHED: Final = frozenset({OrderState.ISSUED, OrderState.FAILED, OrderState.PARKED, OrderState.CANCELLED})

_LITERALS: Final = ", ".join(f"'{state}'" for state in OrderState if state in FINISHED)


def sql_finished(state: str = "state") -> str:
    """Return the SQL condition that *state*, a column or parameter, is final."""
    return f"{state} IN ({_LITERALS})"


def sql_unfinished(state: str = "state") -> str:
    """Return the SQL condition that *state*, a column or parameter, is not final."""
    return f"{state} NOT IN ({_LITERALS})"
