"""A request to `certsmith validate`, checked before anything is judged.

An invalid request has codes of its own, in addition to those of the rules: `request_invalid`, `request_too_large`,
`base64_invalid`, `domain_invalid`, `trust_invalid`, `at_invalid`.
"""

import ipaddress
import re
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from shared.errors import PermanentError
from shared.judging import Judgement, judge
from shared.judging.chain.bundle import read_trust
from shared.names import MAX_NAME_LENGTH, Name, NameRefusedError, normalize

MAX_BYTES: Final = (
    16 * 1024 * 1024
)  # of a file or a line: far above what the rules allow, far below what a machine can hold
# Certificates can also contain names that cannot be hosted here: `localhost`, `intranet`, `a_b.example.com`, and
# A-labels that are not valid in IDNA 2008.
_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


class RequestError(Exception):
    """The request is invalid; *code* says why to programs, *where* names the field or option at fault."""

    def __init__(self, code: str, message: str, *, where: str) -> None:
        super().__init__(message)
        self.code = code
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRequest:
    """A bundle and a key, and what to judge them for."""

    bundle: bytes = field(repr=False)
    key: bytes = field(repr=False)
    at: datetime
    domain: Name | None = None
    trust: tuple[x509.Certificate, ...] | None = None

    def judged(self) -> Judgement:
        """Return the judgement of the bundle and the key."""
        return judge(self.bundle, self.key, at=self.at, domain=self.domain, trust=self.trust)


def instant_of(text: str, *, where: str) -> datetime:
    """Return the instant *text* (ISO 8601: a date, or a date and a time), in UTC unless it names another zone.

    Raises:
        RequestError: *text* is not an instant.
    """
    _require_one_line(text, "at_invalid", where=where)
    try:
        instant = datetime.fromisoformat(text.strip())
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{shown(text)} is not a time in ISO 8601, such as 2026-11-20 or 2026-11-20T12:00:00Z"
        raise RequestError("at_invalid", message, where=where) from None


def identity_of(text: str, *, where: str) -> Name:
    """Return *text* as the identity that a certificate must cover: a normalized name, or an IP address.

    Names that cannot be hosted here, such as `localhost`, are accepted too: a certificate may cover them.

    Raises:
        RequestError: *text* is neither.
    """
    _require_one_line(text, "domain_invalid", where=where)
    try:
        return normalize(text)
    except NameRefusedError as error:
        if address := _address(text):
            return Name(address)
        name = text.lower().removesuffix(".")
        if len(name) <= MAX_NAME_LENGTH and _NAME.fullmatch(name):
            return Name(name)
        raise RequestError("domain_invalid", str(error), where=where) from None


def roots_of(pem: bytes, *, where: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates in *pem*, which must contain at least one, and nothing else.

    Raises:
        RequestError: *pem* contains no certificate, or something else.
    """
    try:
        with warnings.catch_warnings():  # about serial numbers of old roots, which the user cannot change
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return read_trust(pem)
    except PermanentError as error:
        raise RequestError("trust_invalid", str(error), where=where) from None


def shown(text: str) -> str:
    """Return *text* for an error message: escaped, in one short line."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - what fits a line


def _require_one_line(text: str, code: str, *, where: str) -> None:
    """Refuse *text* that looks like the content of a file; the message does not show it, since it may be a key."""
    if "-----" in text or "\n" in text.strip():
        raise RequestError(code, "this looks like the content of a file; a single line was expected", where=where)


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None
