"""Finds the remedy for an error of a certificate authority; pure.

A problem of unknown type is classified by its HTTP status alone: RFC 8555 section 6.7 lets a CA add types.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from services.provisioner.rules.acme import (
    AuthorityError,
    AuthorizationStatus,
    CaAuthorization,
    CaOrder,
    Failure,
    Phase,
    Problem,
    Subproblem,
)
from services.provisioner.rules.ca_errors.table import (
    EXPIRED,
    MALFORMED,
    OVERLOADED,
    PAUSED,
    PHASE_ROWS,
    RATE_LIMITED,
    REQUEST_ROWS,
    REREAD,
    TIMED_OUT,
    TROUBLE,
    UNKNOWN,
    UNREACHABLE,
    UNTRUSTED,
    VALIDATION_ROWS,
    Row,
)
from services.provisioner.rules.ca_errors.verdict import Remedy, Scope, Verdict

_WEIGHT: Final = {remedy: weight for weight, remedy in enumerate(Remedy)}
_MAX_DETAIL: Final = 300  # characters of a CA's text in one of our sentences
# Boulder's words (ratelimits/limiter.go, `Result`); RFC 8555 has no field that says which limit it was.
_LIMITS: Final = (
    ("from this account", Scope.ACCOUNT),
    ("new registrations", Scope.ACCOUNT),
    ("exact set", Scope.ORDER),
    ("certificates", Scope.REGISTERED_DOMAIN),
)


def verdict(error: AuthorityError, *, name: str) -> Verdict:
    """Return the remedy for *error*, raised by a request about *name*."""
    row = _row_of_failure(error)
    detail = error.problem.detail if error.problem is not None else ""
    found = _verdict(row, name=name, detail=detail or error.message, help_url=error.help_url)
    found = replace(found, retry_after_seconds=error.retry_after_seconds)
    if row is RATE_LIMITED:
        return replace(found, scope=_scope_of_limit(detail))
    if error.problem is not None and error.problem.subproblems:
        return _worst_of(error.problem.subproblems, phase=error.phase, name=name, otherwise=found)
    return found


def verdict_on_problem(problem: Problem | None, *, name: str) -> Verdict:
    """Return the remedy after a validation, or a whole order, for *name* failed with *problem*.

    The order at the CA is dead in any case (RFC 8555 section 7.1.6), so the remedy is a new order at least.
    """
    if problem is None:
        return _verdict(EXPIRED, name=name, detail="it expired or was given up")
    row = VALIDATION_ROWS.get(problem.type) or REQUEST_ROWS.get(problem.type, UNKNOWN)
    found = _verdict(_of_dead_order(row), name=name, detail=problem.detail or problem.type, help_url=problem.instance)
    return _worst_of(problem.subproblems, phase=None, name=name, otherwise=found)


def verdict_on_order(order: CaOrder, authorizations: Iterable[CaAuthorization]) -> Verdict:
    """Return the remedy after *order* became invalid, from its failed *authorizations*, else from its own error."""
    usable = (AuthorizationStatus.PENDING, AuthorizationStatus.VALID, AuthorizationStatus.UNKNOWN)
    failed = [verdict_on_problem(each.error, name=each.name) for each in authorizations if each.status not in usable]
    if failed:
        refused = tuple(name for each in failed for name in each.refused_names)
        return replace(max(failed, key=_weight), refused_names=refused)
    return verdict_on_problem(order.error, name=order.names[0] if order.names else "the domain")


def _row_of_failure(error: AuthorityError) -> Row:
    match error.failure:
        case Failure.PROBLEM:
            return _row_of_refusal(error)
        case Failure.UNTRUSTED:
            return UNTRUSTED
        case Failure.UNREACHABLE | Failure.TIMEOUT | Failure.MALFORMED if error.outcome_unknown:
            return REREAD
        case Failure.UNREACHABLE:
            return UNREACHABLE
        case Failure.TIMEOUT:
            return TIMED_OUT
        case Failure.MALFORMED:
            return MALFORMED


def _row_of_refusal(error: AuthorityError) -> Row:
    status, problem = error.status or 0, error.problem
    kind = problem.type if problem is not None else ""
    if kind == "rateLimited":
        paused = error.retry_after_seconds is None and "unpause" in (error.help_url or "")
        return PAUSED if paused else RATE_LIMITED
    row = PHASE_ROWS.get((error.phase, kind)) or REQUEST_ROWS.get(kind) or _row_in_request(error.phase, kind)
    return row or _row_of_status(error.phase, status)


def _row_in_request(phase: Phase, kind: str) -> Row | None:
    """Return the row for a validation problem that a CA reports as the refusal of a request."""
    return VALIDATION_ROWS.get(kind) if phase in (Phase.NEW_ORDER, Phase.FINALIZE) else None


def _row_of_status(phase: Phase, status: int) -> Row:
    gone = status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return OVERLOADED  # Let's Encrypt's load balancer: no problem document, a Retry-After
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or (gone and phase is Phase.CERTIFICATE):
        return TROUBLE
    if gone and phase in (Phase.ORDER, Phase.AUTHORIZATION, Phase.CHALLENGE):
        return EXPIRED
    if gone and phase is Phase.FINALIZE:
        return REREAD
    return UNKNOWN


def _of_dead_order(row: Row) -> Row:
    lighter = _WEIGHT[row.remedy] < _WEIGHT[Remedy.FRESH_ORDER]
    return replace(row, remedy=Remedy.FRESH_ORDER) if lighter else row


def _scope_of_limit(detail: str) -> Scope:
    return next((scope for words, scope in _LIMITS if words in detail), Scope.ORDER)


def _worst_of(subproblems: Sequence[Subproblem], *, phase: Phase | None, name: str, otherwise: Verdict) -> Verdict:
    """Return the worst verdict on single names, *otherwise* if there is none (RFC 8555 section 6.7.1).

    Without a *phase* a validation failed, and with it the order.
    """
    judged = [_verdict_on_part(part, phase=phase, name=name) for part in subproblems]
    if not judged:
        return otherwise
    refused = tuple(
        part.name for part, each in zip(subproblems, judged, strict=True) if each.remedy is Remedy.NEVER and part.name
    )
    worst = max(judged, key=_weight)
    return replace(worst, refused_names=refused, retry_after_seconds=otherwise.retry_after_seconds)


def _verdict_on_part(part: Subproblem, *, phase: Phase | None, name: str) -> Verdict:
    row = VALIDATION_ROWS.get(part.type) or REQUEST_ROWS.get(part.type, UNKNOWN)
    row = _of_dead_order(row) if phase is None else PHASE_ROWS.get((phase, part.type), row)
    return _verdict(row, name=part.name or name, detail=part.detail or part.type)


def _weight(each: Verdict) -> int:
    return _WEIGHT[each.remedy]


def _verdict(row: Row, *, name: str, detail: str, help_url: str | None = None) -> Verdict:
    shown = detail if len(detail) <= _MAX_DETAIL else f"{detail[: _MAX_DETAIL - 1]}…"
    return Verdict(
        remedy=row.remedy,
        error_code=row.error_code,
        message=row.text.format(name=name, detail=shown, help_url=help_url or "its web site"),
        pace=row.pace,
        scope=row.scope,
        change=row.change,
        counts=row.counts,
        refused_names=(name,) if row.remedy is Remedy.NEVER else (),
    )
