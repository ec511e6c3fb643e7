"""What is asked of `certsmith validate`, checked before anything is judged.

What is wrong with the question itself has codes of its own, beside those of the rules: `request_invalid`,
`request_too_large`, `base64_invalid`, `domain_invalid`, `trust_invalid`, `at_invalid`.
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

MAX_BYTES: Final = 16 * 1024 * 1024  # of a file or a line: far above what a rule allows, far below what harms a machine
# Names that are not hosted here can stand in a certificate all the same: `localhost`, `intranet`, `a_b.example.com`,
# and A-labels that IDNA 2008 does not know.
_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


class RequestError(Exception):
    """The question cannot be judged; *code* says why to programs, *where* names the field or option at fault."""

    def __init__(self, code: str, message: str, *, where: str) -> None:
        super().__init__(message)
        self.code = code
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRequest:
    """A bundle and a key, and by what they are to be judged."""

    bundle: bytes = field(repr=False)
    key: bytes = field(repr=False)
    at: datetime
    domain: Name | None = None
    trust: tuple[x509.Certificate, ...] | None = None

    def judged(self) -> Judgement:
        """Return the judgement."""
        return judge(self.bundle, self.key, at=self.at, domain=self.domain, trust=self.trust)


def instant_of(text: str, *, where: str) -> datetime:
    """Return the instant *text* (ISO 8601: a date, or a date and a time), in UTC unless it names another zone.

    Raises:
        RequestError: it is none.
    """
    _require_one_line(text, "at_invalid", where=where)
    try:
        instant = datetime.fromisoformat(text.strip())
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{shown(text)} is no time in ISO 8601, such as 2026-11-20 or 2026-11-20T12:00:00Z"
        raise RequestError("at_invalid", message, where=where) from None


def identity_of(text: str, *, where: str) -> Name:
    """Return *text* as what a certificate is to be for: a name in the form that is stored, or an IP address.

    Names that cannot be hosted are taken too: whether a certificate is for `localhost` is a fair question.

    Raises:
        RequestError: it is neither.
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
    """Return the certificates of *pem*, at least one; only certificates may be in it.

    Raises:
        RequestError: it has none, or something else.
    """
    try:
        with warnings.catch_warnings():  # of serial numbers of old roots, of which nobody here can make others
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return read_trust(pem)
    except PermanentError as error:
        raise RequestError("trust_invalid", str(error), where=where) from None


def shown(text: str) -> str:
    """Return *text* as it may be shown in an error: one short line."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - what fits a line


def _require_one_line(text: str, code: str, *, where: str) -> None:
    """Refuse what may be a file's content, put into the wrong field; nothing of it is shown, for it may be a key."""
    if "-----" in text or "\n" in text.strip():
        raise RequestError(code, "this looks like the content of a file; a single line was expected", where=where)


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None
