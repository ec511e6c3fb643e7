"""The outbox: events published in the transaction of the change that they report.

Call `publish` inside that transaction. `relay` sends the rows after the commit, `dispatch` holds the events in flight,
and `table` is the SQL.
"""

from shared.messaging.outbox.table import (
    OutboxStatistics,
    PendingEvent,
    channel_of,
    delete,
    pending,
    publish,
    statistics,
)

__all__ = ["OutboxStatistics", "PendingEvent", "channel_of", "delete", "pending", "publish", "statistics"]
