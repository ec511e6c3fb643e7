"""The bus's Prometheus metrics. Labels are few: services, types with a subscription, outcomes."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

HANDLED: Final = Counter(
    "messaging_handled_total", "Messages that were settled, by outcome.", ["service", "type", "outcome"]
)
HANDLING_SECONDS: Final = Histogram(
    "messaging_handling_seconds",
    "From starting on a message to the end of its transaction.",
    ["service", "type"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
IN_HAND: Final = Gauge("messaging_in_hand", "Messages that were delivered and are not settled.", ["service"])
RELAYED: Final = Counter("messaging_relayed_total", "Events of the outbox that were sent and confirmed.", ["service"])
RELAY_SECONDS: Final = Histogram(
    "messaging_relay_seconds",
    "From starting to send an event to its confirmation.",
    ["service"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
LEADING: Final = Gauge("messaging_relay_leading", "Whether this process relays its service's events.", ["service"])
