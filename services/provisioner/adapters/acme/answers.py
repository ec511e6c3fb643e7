"""Translates an HTTP answer into our values, or into the error that has everything the CA said. Pure."""

import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final, TypeVar

from services.provisioner.adapters.acme import documents
from services.provisioner.adapters.acme.documents import Document, DocumentError
from services.provisioner.adapters.acme.headers import http_date, retry_after_seconds
from services.provisioner.adapters.acme.transport import Call, Reply
from services.provisioner.rules.acme import AuthorityError, Failure, Problem

T = TypeVar("T")

_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;)]")
# The CA failed, or a proxy in front of it: the request may have been carried out all the same.
_UNSURE: Final = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


def document_of(reply: Reply, call: Call) -> Document:
    """Return the JSON object in *reply*."""
    return read(documents.load, reply.body, call)


def read(parse: Callable[..., T], source: object, call: Call, **details: object) -> T:
    """Return what *parse* makes of *source*, an answer to *call*.

    Raises:
        AuthorityError: *source* cannot be parsed; the request may have been carried out.
    """
    try:
        return parse(source, **details)
    except DocumentError as error:
        raise malformed(call, str(error)) from error


def malformed(call: Call, what: str) -> AuthorityError:
    """Return the error for an answer to *call* that does not follow RFC 8555."""
    return AuthorityError(
        message=f"{call.phase}: the answer of {call.url} cannot be read: {what}",
        phase=call.phase,
        failure=Failure.MALFORMED,
        outcome_unknown=call.changes,
    )


def problem_of(reply: Reply) -> Problem | None:
    """Return the problem document in *reply*; errors of a proxy in front of the CA have none."""
    try:
        return documents.problem(documents.load(reply.body))
    except DocumentError:
        return None


def wait_asked(reply: Reply, *, clock: Callable[[], datetime]) -> float | None:
    """Return the seconds that *reply* asks to wait."""
    asked = reply.headers.get("Retry-After")
    if asked is None:
        return None
    return retry_after_seconds(asked, now=http_date(reply.headers.get("Date")) or clock())


def raise_refusal(reply: Reply, call: Call, *, clock: Callable[[], datetime]) -> None:
    """Return if *reply* is not an error.

    Raises:
        AuthorityError: it is one.
    """
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if reply.status < HTTPStatus.BAD_REQUEST:
        raise malformed(call, f"it redirects to {reply.headers.get('Location')!r}, which is not followed")
    problem = problem_of(reply)
    said = f"{problem.type}: {problem.detail}" if problem is not None else "without a reason"
    raise AuthorityError(
        message=f"{call.phase}: HTTP status {reply.status}, {said}",
        phase=call.phase,
        failure=Failure.PROBLEM,
        status=reply.status,
        problem=problem,
        retry_after_seconds=wait_asked(reply, clock=clock),
        outcome_unknown=call.changes and reply.status in _UNSURE,
        help_url=_help_url(problem),
    )


def _help_url(problem: Problem | None) -> str | None:
    """Return where people can resolve the problem: its ``instance``, else a URL in its text."""
    if problem is None:
        return None
    found = _ADDRESS.search(problem.detail)
    return problem.instance or (found.group() if found else None)
