"""The header fields that ACME uses. Pure; a field that cannot be parsed counts as missing."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_LONGEST_SECONDS: Final = 366 * 86_400.0  # a wait beyond a year is a mistake, and must not overflow a date
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT: Final = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?=[\s;,]|$))', re.IGNORECASE)


def retry_after_seconds(header: str | None, *, now: datetime) -> float | None:
    """Return how long *header* asks to wait from *now*, in either of its forms (RFC 9110 section 10.2.3).

    *now* should be the answer's own Date, so that a wrong local clock does no harm.
    """
    if header is None:
        return None
    header = header.strip()
    if _SECONDS.fullmatch(header):
        return min(float(header), _LONGEST_SECONDS)
    until = http_date(header)
    return None if until is None else min(max((until - now).total_seconds(), 0.0), _LONGEST_SECONDS)


def http_date(header: str | None) -> datetime | None:
    """Return the instant that *header* names (RFC 9110 section 5.6.7)."""
    try:
        instant = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    # An HTTP-date is always in GMT; for the zone "-0000" the parser returns a naive datetime.
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


def next_link(header: str | None) -> str | None:
    """Return the target of the link with the relation "next" (RFC 8288; RFC 8555 section 7.1.2.1)."""
    links = _LINK.findall(header or "")
    return next((target for target, parameters in links if _NEXT.search(parameters)), None)
