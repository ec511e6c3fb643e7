"""The final states of an order, as a set and as SQL conditions.

The provisioner's table of transitions is in `services.provisioner.rules.orders`. The set is here because the views of
the registry need it too. SQL contains the states as literals, from the two functions below only: PostgreSQL uses a
partial index when the query's condition implies the index's, and it cannot know the value of a parameter.
"""

from typing import Final

from shared.events import OrderState

FINISHED: Final = frozenset({OrderState.ISSUED, OrderState.FAILED, OrderState.PARKED, OrderState.CANCELLED})

_LITERALS: Final = ", ".join(f"'{state}'" for state in OrderState if state in FINISHED)


def sql_finished(state: str = "state") -> str:
    """Return the SQL condition that *state*, a column or parameter, is final."""
    return f"{state} IN ({_LITERALS})"


def sql_unfinished(state: str = "state") -> str:
    """Return the SQL condition that *state*, a column or parameter, is not final."""
    return f"{state} NOT IN ({_LITERALS})"
