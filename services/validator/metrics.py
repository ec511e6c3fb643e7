"""What the validator measures: its verdicts, how long judging takes, and what waits."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.validator.store.backlog import Backlog, read_backlog
from shared.errors import StoreUnavailableError
from shared.events import EventReason
from shared.process.backoff import wait_at_most
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

VERDICTS: Final = Counter("validator_uploads_total", "Uploads that got their verdict, by which.", ["verdict"])
REASONS: Final = Counter("validator_reasons_total", "Reasons for which uploads were rejected, by code.", ["code"])
FAILURES: Final = Counter(
    "validator_failures_total", "Times that an upload could not be judged, by a fault of this program."
)
JUDGE_SECONDS: Final = Histogram(
    "validator_judge_seconds",
    "From giving an upload to a judge to its opinion.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
JUDGES: Final = Gauge("validator_judges", "Judges of this process that live.")
JUDGES_ENDED: Final = Counter("validator_judges_ended_total", "Judges that ended, or were ended, and were replaced.")
IN_HAND: Final = Gauge("validator_uploads_in_hand", "Uploads that this process is working on.")
WAITING: Final = Gauge("validator_uploads_waiting", "Uploads of all processes that wait for their verdict.")
OLDEST_SECONDS: Final = Gauge("validator_oldest_upload_seconds", "For how long the oldest of them has waited.")
OUTBOX_EVENTS: Final = Gauge("validator_outbox_events", "Events of the validator that wait to be relayed.")
OUTBOX_AGE_SECONDS: Final = Gauge("validator_outbox_age_seconds", "For how long the oldest of them has waited.")

_EVERY_SECONDS: Final = 10.0


def count_rejection(reasons: Iterable[EventReason]) -> None:
    """Count an upload that is rejected for *reasons*."""
    VERDICTS.labels("rejected").inc()
    for code in {reason.code for reason in reasons}:
        REASONS.labels(code).inc()


async def watch_backlog(pool: Pool, stop: asyncio.Event) -> None:
    """Keep the figures of what waits up to date until *stop* is set."""
    while not stop.is_set():
        try:
            async with pool.acquire() as connection:
                _show(await read_backlog(connection))
        except StoreUnavailableError as error:
            log.debug("backlog_unknown", reason=str(error))
        await wait_at_most(stop, _EVERY_SECONDS)


def _show(backlog: Backlog) -> None:
    WAITING.set(backlog.uploads)
    OLDEST_SECONDS.set(backlog.oldest_upload_seconds)
    OUTBOX_EVENTS.set(backlog.outbox_events)
    OUTBOX_AGE_SECONDS.set(backlog.outbox_age_seconds)
