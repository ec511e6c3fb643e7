"""The provisioner's metrics: how orders ended, how long they took, and how many wait."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

FINISHED_ORDERS: Final = Counter("provisioner_orders_total", "Orders that ended, by how.", ["state"])
TROUBLES: Final = Counter(
    "provisioner_troubles_total", "Times that an order could not continue, by the reason's code.", ["error_code"]
)
ISSUANCE_SECONDS: Final = Histogram(
    "provisioner_issuance_seconds",
    "From opening an order to its certificate.",
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 86400),
)
IN_HAND: Final = Gauge("provisioner_orders_in_hand", "Orders that this process is working on.")
UNFINISHED: Final = Gauge("provisioner_orders_unfinished", "Unfinished orders of all processes, by state.", ["state"])
OVERDUE_SECONDS: Final = Gauge(
    "provisioner_orders_overdue_seconds", "How long ago the oldest due order became due; 0 if none is due."
)
OUTBOX_EVENTS: Final = Gauge("provisioner_outbox_events", "Events of the provisioner that are not published yet.")
OUTBOX_AGE_SECONDS: Final = Gauge("provisioner_outbox_age_seconds", "How long ago the oldest of them was written.")
