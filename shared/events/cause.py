"""The cause of an event: passed on from a request to every fact that follows from it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cause:
    """The two CloudEvents extension attributes that connect a fact to the request behind it.

    *correlation_id* is the same for a request and all facts that follow from it; *traceparent* is the request's
    place in a distributed trace (W3C Trace Context, section 3.2). None: the request carried none.
    """

    correlation_id: str | None = None
    traceparent: str | None = None


NO_CAUSE: Final = Cause()
"""The cause of events that no request caused, such as the warning that a certificate expires."""
