"""An event around its data: `Event` going out, `Incoming` coming in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.events.cause import NO_CAUSE, Cause
from shared.events.data import Data, JsonObject, PublicRequest
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
        """The subject of the event: a domain, or a certificate's id."""
        return self.data.key

    @property
    def payload(self) -> JsonObject:
        """The data as JSON; of a request only the fields that were set, so that an update changes no other field."""
        return self.data.model_dump(mode="json", exclude_unset=isinstance(self.data, PublicRequest))


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
        """The publisher's time of the event, or the time of its arrival if that is earlier: a clock may be fast."""
        return min(self.time or self.received_at, self.received_at)
