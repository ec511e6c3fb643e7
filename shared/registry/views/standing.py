"""The standing of a domain: one word for programs, and one sentence that names who must do what. Pure.

The words, with their meanings, are in `shared.events.Standing`.
"""

from datetime import UTC, datetime
from typing import assert_never

from shared.events import ErrorCode, OrderState, Standing
from shared.registry.views.model import CertificateView, HostedDomain, OrderView


def standing_of(domain: HostedDomain, *, now: datetime) -> Standing:
    """Return the standing of *domain*."""
    if domain.holds_name and domain.certificate is not None and domain.certificate.is_valid_at(now):
        return Standing.SERVING
    order = domain.order
    if order is None or order.is_finished or not _passes_by_itself(order.error_code):
        return Standing.STUCK
    return Standing.PROGRESSING


def sentence_of(domain: HostedDomain, *, now: datetime) -> str:
    """Return a sentence that says until when *domain* is served, or what it waits for and who must act."""
    certificate, order = domain.certificate, domain.order
    match standing_of(domain, now=now):
        case Standing.SERVING:
            assert certificate is not None
            served = _of_served(domain, certificate, now=now)
            if order is None or order.is_issued:
                return served
            return f"{served}; its next one: {_of_order(order)}"
        case Standing.PROGRESSING:
            assert order is not None
            return _of_order(order)
        case Standing.STUCK:
            return _of_stuck(domain, now=now)


def _of_served(domain: HostedDomain, certificate: CertificateView, *, now: datetime) -> str:
    until = f"of {certificate.issuer_name} until {certificate.not_after:%Y-%m-%d}"
    match certificate.chosen_by:
        case "attached":
            return f"served with the customer's own certificate {until}; {_after(domain, certificate)}"
        case "terminate_tls":
            return f"served with the certificate that terminate_tls names, {until}; nothing replaces it automatically"
        case _:
            return f"served with a certificate {until}{_why_not_attached(domain, now=now)}"


def _after(domain: HostedDomain, attached: CertificateView) -> str:
    """Return what is served after the *attached* certificate ends."""
    lasting = any(each.not_after > attached.not_after for each in domain.other_certificates)
    if lasting or domain.key_type is not None:
        return "then with its automatic one"
    return "then with none, unless its successor is uploaded"


def _why_not_attached(domain: HostedDomain, *, now: datetime) -> str:
    """Return why the attached certificate is not served, if one is attached."""
    for other in domain.other_certificates:
        if other.chosen_by == "attached":
            return f"; the customer's own, {other.id}, {other.flaw(now)}"
    return ""


def _of_stuck(domain: HostedDomain, *, now: datetime) -> str:
    certificate, order = domain.certificate, domain.order
    if order is not None and not order.is_issued:
        return _of_order(order)
    if not domain.holds_name:
        return "another tenant's registration of this name is served; it moves when the DNS shows this one's target"
    if certificate is not None:
        return f"its certificate {certificate.flaw(now)}; {_remedy(domain)}"
    return f"it has no certificate; {_remedy(domain)}"


def _remedy(domain: HostedDomain) -> str:
    if domain.key_type is None:
        return "attach one, or give the domain a certificate_management_policy"
    return f"ask for a new one with `certsmith publish renewal-requested {domain.name}`"


def _next_try(order: OrderView) -> str:
    if order.is_finished:
        return ""
    if order.is_in_hand:
        return " (being tried now)"
    return f" (next try {order.next_attempt_at.astimezone(UTC):%H:%M:%S} UTC)"


def _of_order(order: OrderView) -> str:
    if order.message:
        return f"{order.message}{_next_try(order)}"
    if order.is_finished:
        return f"its order ended as {order.state}"
    try:
        return OrderState(order.state).meaning
    except ValueError:  # of a newer release
        return f"its order is {order.state}"


def _passes_by_itself(error_code: str | None) -> bool:
    """Return whether an order with *error_code* continues without anybody; one with an unknown code does not."""
    if error_code is None:
        return True
    try:
        code = ErrorCode(error_code)
    except ValueError:
        return False
    match code:
        case ErrorCode.RATE_LIMITED | ErrorCode.AUTHORITY_ERROR | ErrorCode.INTERNAL_ERROR:
            return True
        case (
            ErrorCode.DNS_ERROR
            | ErrorCode.CAA_ERROR
            | ErrorCode.VALIDATION_ERROR
            | ErrorCode.CHALLENGE_ERROR
            | ErrorCode.REJECTED_IDENTIFIER
            | ErrorCode.ACCOUNT_ERROR
        ):
            return False
        case _:
            assert_never(code)
