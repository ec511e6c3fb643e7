"""Parses the documents of a CA into our values. Pure; a document of another form raises ``DocumentError``.

Only the fields that we use are read. Unknown fields, statuses, kinds of challenges and kinds of identifiers are
ignored, because later RFCs add some. Texts are cleaned, so that they can be shown in one line and stored: CAs quote
the answers of strangers' servers.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NoReturn, TypeGuard, TypeVar

from services.provisioner.rules.acme import (
    AuthorizationStatus,
    CaAuthorization,
    CaChallenge,
    CaOrder,
    ChallengeStatus,
    OrderStatus,
    Problem,
    Subproblem,
)

Document = Mapping[str, object]
_Status = TypeVar("_Status", bound=StrEnum)

_TYPE_PREFIX: Final = "urn:ietf:params:acme:error:"  # RFC 8555 section 6.7
_MAX_TEXT: Final = 2000
_MAX_DEPTH: Final = 16  # of a problem document that is kept; RFC 8555's are 4 deep
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")  # RFC 8555 section 8.3: base64url
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s(.*?)-----END CERTIFICATE-----", re.DOTALL)
_BLANKS: Final = re.compile(rb"\s+")


class DocumentError(ValueError):
    """The document does not have the expected form; the text says where it differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The URLs of a CA's resources (RFC 8555 section 7.1.1)."""

    new_nonce: str
    new_account: str
    new_order: str
    renewal_info: str | None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def load(body: bytes) -> dict[str, object]:
    """Return the JSON object in *body*."""
    try:
        document = _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise DocumentError("it is not a JSON object")
    return document


def directory(document: Document) -> Directory:
    """Read a directory."""
    return Directory(
        new_nonce=_url(document, "newNonce"),
        new_account=_url(document, "newAccount"),
        new_order=_url(document, "newOrder"),
        renewal_info=_url_or_none(document, "renewalInfo"),
    )


def order(document: Document, *, url: str, retry_after_seconds: float | None = None) -> CaOrder:
    """Read the order at *url* (RFC 8555 section 7.1.3)."""
    return CaOrder(
        url=url,
        status=_status(OrderStatus, document),
        names=tuple(_names(document.get("identifiers"))),
        authorization_urls=urls(document, "authorizations"),
        finalize_url=_url(document, "finalize"),
        certificate_url=_url_or_none(document, "certificate"),
        expires_at=_instant(document.get("expires")),
        error=problem(document.get("error")),
        retry_after_seconds=retry_after_seconds,
    )


def authorization(document: Document, *, url: str, retry_after_seconds: float | None = None) -> CaAuthorization:
    """Read the authorization at *url* (RFC 8555 section 7.1.4)."""
    challenges = document.get("challenges")
    return CaAuthorization(
        url=url,
        name=next(_names([document.get("identifier")]), ""),
        wildcard=document.get("wildcard") is True,
        status=_status(AuthorizationStatus, document),
        challenges=tuple(
            _challenge(each) for each in (challenges if isinstance(challenges, list) else []) if isinstance(each, dict)
        ),
        expires_at=_instant(document.get("expires")),
        retry_after_seconds=retry_after_seconds,
    )


def _challenge(document: Document) -> CaChallenge:
    return CaChallenge(
        type=_line(document, "type"),
        url=_url(document, "url"),
        status=_status(ChallengeStatus, document),
        token=_token(document),
        error=problem(document.get("error")),
    )


def problem(value: object) -> Problem | None:
    """Read a problem document (RFC 7807), whatever is in it; None if there is none."""
    if not isinstance(value, dict):
        return None
    status = value.get("status")
    parts = value.get("subproblems")
    return Problem(
        type=_type(value),
        detail=_line(value, "detail") or _line(value, "title"),
        status=status if isinstance(status, int) and not isinstance(status, bool) else None,
        instance=_url_or_none(value, "instance"),
        subproblems=tuple(
            _subproblem(part) for part in (parts if isinstance(parts, list) else []) if isinstance(part, dict)
        ),
        document=_storable(value),
    )


def _subproblem(document: Document) -> Subproblem:
    return Subproblem(
        type=_type(document),
        detail=_line(document, "detail"),
        name=next(_names([document.get("identifier")]), None),
    )


def chain(body: bytes) -> tuple[bytes, ...]:
    """Read a chain of certificates in PEM as DER, leaf first (RFC 8555 section 9.1)."""
    try:
        found = tuple(base64.b64decode(_BLANKS.sub(b"", text), validate=True) for text in _PEM.findall(body))
    except binascii.Error as error:
        raise DocumentError(f"a certificate in it is not PEM: {error}") from None
    if not found:
        raise DocumentError("it has no certificate")
    return found


def urls(document: Document, key: str) -> tuple[str, ...]:
    """Return the list of URLs under *key*."""
    value = document.get(key)
    if not isinstance(value, list) or not all(is_url(each) for each in value):
        raise DocumentError(f"its {key!r} is not a list of URLs")
    return tuple(value)


def _url(document: Document, key: str) -> str:
    found = _url_or_none(document, key)
    if found is None:
        raise DocumentError(f"it has no {key!r} that is a URL")
    return found


def _url_or_none(document: Document, key: str) -> str | None:
    value = document.get(key)
    return value if is_url(value) else None


def is_url(value: object) -> TypeGuard[str]:
    """Say whether *value* looks like a URL."""
    # RFC 3986 section 2: ASCII without blanks. The transport decides which schemes it uses.
    return isinstance(value, str) and value.isascii() and value.isprintable() and "://" in value and " " not in value


def _token(document: Document) -> str:
    """Return the challenge's token; empty for kinds that have none."""
    value = document.get("token")
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else ""


def _line(document: Document, key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        return ""
    if not value.isprintable():
        value = "".join(letter if letter.isprintable() else " " for letter in value)
    return " ".join(value.split())[:_MAX_TEXT]


def _type(document: Document) -> str:
    # RFC 7807 section 4.2: a problem without a type is "about:blank", no more than its HTTP status.
    return (_line(document, "type") or "about:blank").removeprefix(_TYPE_PREFIX)


def _status(kind: type[_Status], document: Document) -> _Status:
    try:
        return kind(_line(document, "status"))
    except ValueError:
        return kind("unknown")


def _names(identifiers: object) -> Iterator[str]:
    """Yield the names among *identifiers* (RFC 8555 section 9.7.7: other kinds may be there)."""
    for each in identifiers if isinstance(identifiers, list) else []:
        if isinstance(each, dict) and each.get("type") == "dns":
            yield _line(each, "value")


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant


def _storable(value: Document) -> Document:
    """Return *value* as PostgreSQL's ``jsonb`` accepts it: no NUL, no lone surrogates, bounded depth."""
    return {_clean(key): _storable_part(each, _MAX_DEPTH) for key, each in value.items()}


def _storable_part(value: object, depth: int) -> object:
    if depth == 0:
        return "…"
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_storable_part(each, depth - 1) for each in value]
    if isinstance(value, dict):
        return {_clean(key): _storable_part(each, depth - 1) for key, each in value.items()}
    return value


def _clean(text: str) -> str:
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
