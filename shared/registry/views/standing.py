"""How a domain is, in one word for programs and one sentence that names who must do what; pure.

*serving*      a certificate that is valid now is served for it.
*progressing*  it is not served yet, and nobody needs to act.
*stuck*        it is not served, and nothing gets better until somebody acts.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from shared.registry.views.model import CertificateView, HostedDomain, OrderView

# Of what can be wrong with an order, what passes by itself.
PASSING: Final = frozenset({None, "RATE_LIMITED", "AUTHORITY_ERROR", "INTERNAL_ERROR"})
ENDED: Final = frozenset({"failed", "parked"})

_DOING: Final = {
    "queued": "its order waits for its turn",
    "waiting_dns": "its order waits for the DNS",
    "keyed": "its key is made, its order goes to the certificate authority next",
    "ordering": "its order is on the way to the certificate authority",
    "ordered": "the certificate authority has its order",
    "validating": "the certificate authority looks whether the domain points here",
    "finalizing": "the certificate authority issues its certificate",
    "issued": "its certificate is issued",
}


class Standing(StrEnum):
    """How a domain is."""

    SERVING = "serving"
    PROGRESSING = "progressing"
    STUCK = "stuck"


def standing_of(domain: HostedDomain, *, now: datetime) -> Standing:
    """Return how *domain* is."""
    if domain.holds_name and domain.certificate is not None and domain.certificate.is_valid_at(now):
        return Standing.SERVING
    order = domain.order
    if order is None or order.is_finished or order.error_code not in PASSING:
        return Standing.STUCK
    return Standing.PROGRESSING


def sentence_of(domain: HostedDomain, *, now: datetime) -> str:
    """Return what there is to say of *domain*: what it waits for and who must act, or until when it is served."""
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
            return f"served with the certificate that terminate_tls names, {until}; nothing takes its place by itself"
        case _:
            return f"served with a certificate {until}{_beside(domain, now=now)}"


def _after(domain: HostedDomain, attached: CertificateView) -> str:
    """Return what follows when what is *attached* ends."""
    lasting = any(each.not_after > attached.not_after for each in domain.other_certificates)
    if lasting or domain.key_type is not None:
        return "then with its automatic one"
    return "then with none, unless its successor is uploaded"


def _beside(domain: HostedDomain, *, now: datetime) -> str:
    """Return why what is attached is not shown, if anything is."""
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
    return _DOING.get(order.state, f"its order is {order.state}")
