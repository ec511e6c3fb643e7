"""The validator's metrics: its verdicts, how long judging takes, and how many uploads wait."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from shared.events import EventReason

VERDICTS: Final = Counter("validator_uploads_total", "Uploads with a verdict, by verdict.", ["verdict"])
REASONS: Final = Counter("validator_reasons_total", "Reasons for which uploads were rejected, by code.", ["code"])
FAILURES: Final = Counter(
    "validator_failures_total", "Times that a fault of this program kept an upload from its verdict."
)
JUDGE_SECONDS: Final = Histogram(
    "validator_judge_seconds",
    "From giving an upload to a sandbox process to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
JUDGES: Final = Gauge("validator_judges", "SandboxPool of this process that live.")
JUDGES_ENDED: Final = Counter(
    "validator_judges_ended_total", "SandboxPool that ended, or were ended, and were replaced."
)
IN_HAND: Final = Gauge("validator_uploads_in_hand", "Uploads that this process is working on.")
WAITING: Final = Gauge("validator_uploads_waiting", "Uploads of all processes that wait for their verdict.")
OLDEST_SECONDS: Final = Gauge("validator_oldest_upload_seconds", "For how long the oldest of them has waited.")
OUTBOX_EVENTS: Final = Gauge("validator_outbox_events", "Events of the validator that wait to be relayed.")
OUTBOX_AGE_SECONDS: Final = Gauge("validator_outbox_age_seconds", "For how long the oldest of them has waited.")
EXPIRING: Final = Gauge(
    "validator_expiring_certificates",
    "Customers' certificates in use that expire within the label's number of days; 0 means expired in the last 30.",
    ["within_days"],
)
SOONEST_SECONDS: Final = Gauge(
    "validator_soonest_expiry_seconds",
    "Until the next of the customers' certificates in use expires; infinite: there is none.",
)


def count_rejection(reasons: Iterable[EventReason]) -> None:
    """Count one upload that is rejected for *reasons*."""
    VERDICTS.labels("rejected").inc()
    for code in {reason.code for reason in reasons}:
        REASONS.labels(code).inc()
