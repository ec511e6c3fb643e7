"""The standing of a domain, as a word and as a sentence."""

from datetime import timedelta

import pytest

from shared.events import Standing
from shared.registry.views.model import HostedDomain
from shared.registry.views.standing import sentence_of, standing_of
from tests.builders.views import NOW, a_certificate, a_domain, an_order

ENDED = {"not_after": NOW - timedelta(days=1)}


@pytest.mark.parametrize(
    ("domain", "standing"),
    [
        (a_domain(certificate=a_certificate()), Standing.SERVING),
        (a_domain(certificate=a_certificate(), order=an_order(state="failed", finished_at=NOW)), Standing.SERVING),
        (a_domain(order=an_order()), Standing.PROGRESSING),
        (a_domain(order=an_order(error_code="RATE_LIMITED", message="later")), Standing.PROGRESSING),
        (a_domain(order=an_order(error_code="AUTHORITY_ERROR", message="later")), Standing.PROGRESSING),
        (a_domain(certificate=a_certificate(**ENDED), order=an_order()), Standing.PROGRESSING),
        (a_domain(order=an_order(state="waiting_dns", error_code="DNS_ERROR", message="no")), Standing.STUCK),
        (a_domain(order=an_order(error_code="CODE_OF_A_LATER_RELEASE", message="no")), Standing.STUCK),
        (a_domain(order=an_order(state="failed", finished_at=NOW)), Standing.STUCK),
        (a_domain(order=an_order(state="parked", finished_at=NOW)), Standing.STUCK),
        (a_domain(), Standing.STUCK),
        (a_domain(certificate=a_certificate(**ENDED)), Standing.STUCK),
        (a_domain(certificate=a_certificate(revoked_at=NOW)), Standing.STUCK),
        (a_domain(certificate=a_certificate(), holds_name=False), Standing.STUCK),
    ],
)
def test_the_standing_shows_whether_a_domain_is_served_or_somebody_must_act(
    domain: HostedDomain, standing: Standing
) -> None:
    assert standing_of(domain, now=NOW) is standing


@pytest.mark.parametrize(
    ("domain", "sentence"),
    [
        (a_domain(certificate=a_certificate()), "served with a certificate of Some CA until 2026-05-29"),
        (
            a_domain(certificate=a_certificate(chosen_by="attached"), key_type=None),
            (
                "served with the customer's own certificate of Some CA until 2026-05-29; "
                "then with none, unless its successor is uploaded"
            ),
        ),
        (
            a_domain(certificate=a_certificate(chosen_by="attached")),
            "served with the customer's own certificate of Some CA until 2026-05-29; then with its automatic one",
        ),
        (
            a_domain(
                certificate=a_certificate(chosen_by="attached"),
                other_certificates=(a_certificate(not_after=NOW + timedelta(days=300)),),
                key_type=None,
            ),
            "served with the customer's own certificate of Some CA until 2026-05-29; then with its automatic one",
        ),
        (
            a_domain(
                certificate=a_certificate(),
                other_certificates=(a_certificate(id="cert_own", chosen_by="attached", **ENDED),),
            ),
            (
                "served with a certificate of Some CA until 2026-05-29; "
                "the customer's own, cert_own, ended on 2026-02-28"
            ),
        ),
        (
            a_domain(certificate=a_certificate(chosen_by="terminate_tls")),
            (
                "served with the certificate that terminate_tls names, of Some CA until 2026-05-29; "
                "nothing replaces it automatically"
            ),
        ),
        (
            a_domain(certificate=a_certificate(), order=an_order(state="validating", reason="renewal")),
            (
                "served with a certificate of Some CA until 2026-05-29; its next one: "
                "the CA checks whether the domain points here"
            ),
        ),
        (
            a_domain(order=an_order(state="waiting_dns", error_code="DNS_ERROR", message="create a record")),
            "create a record (next try 12:00:00 UTC)",
        ),
        (
            a_domain(order=an_order(error_code="DNS_ERROR", message="create a record", is_in_hand=True)),
            "create a record (being tried now)",
        ),
        (
            a_domain(order=an_order(state="failed", message="nobody can", finished_at=NOW)),
            "nobody can",
        ),
        (a_domain(order=an_order(state="parked", finished_at=NOW)), "its order ended as parked"),
        (
            a_domain(),
            "it has no certificate; ask for a new one with `certsmith publish renewal-requested shop.example.com`",
        ),
        (
            a_domain(key_type=None),
            "it has no certificate; attach one, or give the domain a certificate_management_policy",
        ),
        (
            a_domain(certificate=a_certificate(**ENDED)),
            (
                "its certificate ended on 2026-02-28; "
                "ask for a new one with `certsmith publish renewal-requested shop.example.com`"
            ),
        ),
        (
            a_domain(certificate=a_certificate(revoked_at=NOW), key_type=None),
            "its certificate was revoked on 2026-03-01; attach one, or give the domain a certificate_management_policy",
        ),
        (
            a_domain(holds_name=False),
            "another tenant's registration of this name is served; it moves when the DNS shows this one's target",
        ),
    ],
)
def test_the_sentence_names_the_state_and_who_must_act(domain: HostedDomain, sentence: str) -> None:
    assert sentence_of(domain, now=NOW) == sentence


def test_an_issuer_without_common_name_is_shown_whole() -> None:
    assert a_certificate(issuer="O=Somebody,C=DE").issuer_name == "O=Somebody,C=DE"


def test_an_unknown_state_of_a_later_release_is_shown_unchanged() -> None:
    assert sentence_of(a_domain(order=an_order(state="renewing")), now=NOW) == "its order is renewing"
