"""Warnings before an uploaded certificate expires: `certificate.expiring`, and metrics for the operator.

Customers renew their own certificates, so they are warned in time. A certificate is in use where a domain that is not
deleted and holds its name serves it: attached, or named in the domain's `terminate_tls`. Of each use the nearest
threshold that has passed is published, once: a certificate that is attached five days before it expires causes a
warning of 7 days, and later of 3 and 1. The last one, 0, says that it has expired.
"""

import asyncio
from functools import partial
from typing import Final

import structlog

from services.validator.metrics import EXPIRING, SOONEST_SECONDS
from services.validator.store import events, expiry
from services.validator.store.expiry import ExpiryMetrics, Notice
from shared.events import NO_CAUSE, CertificateExpiring
from shared.process.periodic import every
from shared.store import Pool

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_BATCH: Final = 200  # warnings in one transaction


async def watch(pool: Pool, stop: asyncio.Event, *, every_seconds: float) -> None:
    """Publish each warning in time, and keep the metrics, until *stop* is set."""
    await every(every_seconds, partial(_look, pool, stop), stop, name="expiring")


async def _look(pool: Pool, stop: asyncio.Event) -> None:
    while await publish_due(pool, limit=_BATCH) == _BATCH and not stop.is_set():
        pass
    async with pool.acquire() as connection:
        _show(await expiry.count(connection))


async def publish_due(pool: Pool, *, limit: int) -> int:
    """Publish up to *limit* warnings that are due, and return how many. Each is published by one process only."""
    async with pool.transaction() as connection:
        notices = await expiry.note_due(connection, limit=limit)
        for notice in notices:
            data = CertificateExpiring(
                domain=notice.domain,
                certificate_id=notice.certificate_id,
                not_after=notice.not_after,
                message=message_of(notice),
            )
            await events.publish(connection, data, cause=NO_CAUSE)
    for notice in notices:
        log.warning(
            "certificate_expiring", domain=notice.domain, certificate_id=notice.certificate_id, days=notice.days
        )
    return len(notices)


def message_of(notice: Notice) -> str:
    """Return which certificate expires when, what happens then, and what to do."""
    what = f"the certificate {notice.certificate_id}, which the customer uploaded for {notice.domain},"
    end = f"{notice.not_after:%Y-%m-%d %H:%M} UTC"
    when = f"expired on {end}" if notice.has_ended else f"expires on {end}, within {_days(notice.days)}"
    return f"{what} {when}; {_what_follows(notice)}; {_what_to_do(notice)}"


def _what_follows(notice: Notice) -> str:
    since = "since then" if notice.has_ended else "after that"
    if notice.is_named:
        return f"{since} visitors' browsers refuse the domain, whose terminate_tls names it"
    if notice.has_successor:
        return f"{since} the domain's automatic certificate is served instead"
    return f"{since} visitors' browsers refuse the domain, which has no automatic certificate"


def _what_to_do(notice: Notice) -> str:
    if notice.is_named:
        return "upload its successor and name that in terminate_tls"
    if notice.has_successor:
        return "upload its successor and attach that, or detach it"
    return "upload its successor and attach that, or give the domain a certificate_management_policy"


def _days(count: int) -> str:
    return "one day" if count == 1 else f"{count} days"


def _show(metrics: ExpiryMetrics) -> None:
    for days, count in metrics.within_days.items():
        EXPIRING.labels(str(days)).set(count)
    SOONEST_SECONDS.set(metrics.soonest_seconds)
