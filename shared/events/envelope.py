"""An event around its data: `Event` going out, `Incoming` coming in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.events.cause import NO_CAUSE, Cause
from shared.events.data import Data, JsonObject, Request
from shared.identifiers import new_event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it goes out: a CloudEvent (CloudEvents 1.0) with our two extension attributes."""

    data: Data
    source: str
    id: str = field(default_factory=new_event_id)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    cause: Cause = NO_CAUSE

    @property
    def type(self) -> str:
        """The type of the data: the routing key."""
        return self.data.type

    @property
    def subject(self) -> str:
        """What the event is about."""
        return self.data.key

    @property
    def payload(self) -> JsonObject:
        """The data as JSON. A request carries only what was said, so that an update changes nothing else."""
        return self.data.model_dump(mode="json", exclude_unset=isinstance(self.data, Request))


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An event as a handler gets it: checked against its schema, but its claims are not verified.

    *id* and *time* are None when the publisher gave none. *user_id* is the user that the broker vouches for ('' for
    none); *received_at* is our clock.
    """

    data: Data
    id: str | None
    source: str
    user_id: str
    time: datetime | None
    received_at: datetime
    cause: Cause

    @property
    def type(self) -> str:
        """The type of the data."""
        return self.data.type

    @property
    def occurred_at(self) -> datetime:
        """When the publisher says it happened; never later than it arrived, whatever a publisher's clock says."""
        return min(self.time or self.received_at, self.received_at)
