"""The progress of a request to attach, detach or delete a certificate, and its outcome."""

from datetime import timedelta

import pytest

from certsmith.exits import ExitCode
from certsmith.publishing.changeovers import changeover_of, deletion_of
from certsmith.publishing.progress import RequestOutcome
from shared.registry.views.fates import Fate
from shared.registry.views.model import HostedDomain, StoredCertificate
from tests.builders.views import NOW, a_certificate, a_domain, a_fate, a_stored_certificate, an_order

OWN = a_certificate(id="cert_own", chosen_by="attached", source="uploaded")
ENDED = a_certificate(id="cert_own", chosen_by="attached", source="uploaded", not_after=NOW - timedelta(days=1))
AUTOMATIC = a_certificate(id="cert_auto")
NAMED = a_certificate(id="cert_named", chosen_by="terminate_tls")
BOTH = a_domain(certificate=OWN, other_certificates=(AUTOMATIC,))


@pytest.mark.parametrize(
    ("fate", "domain", "state", "outcome"),
    [
        (a_fate(was_seen=False), BOTH, "published", None),
        (a_fate(reason_code="certificate_unfit", reason="no"), BOTH, "refused", RequestOutcome.REFUSED),
        (a_fate(), None, "deleted", RequestOutcome.FAILED),
        (a_fate(), BOTH, "attached", RequestOutcome.ATTACHED),
        (a_fate(), a_domain(certificate=OWN, order=an_order()), "attached", RequestOutcome.ATTACHED),
        (a_fate(), a_domain(certificate=AUTOMATIC), "outdated", RequestOutcome.FAILED),
        (a_fate(), a_domain(certificate=ENDED), "attached", RequestOutcome.FAILED),
        (a_fate(), a_domain(certificate=AUTOMATIC, other_certificates=(ENDED,)), "attached", RequestOutcome.FAILED),
        (a_fate(), a_domain(certificate=NAMED, other_certificates=(OWN,)), "attached", RequestOutcome.FAILED),
        (a_fate(), a_domain(certificate=OWN, holds_name=False), "attached", RequestOutcome.FAILED),
    ],
)
def test_the_progress_of_an_attachment_follows_from_fate_and_domain(
    fate: Fate, domain: HostedDomain | None, state: str, outcome: RequestOutcome | None
) -> None:
    progress = changeover_of(fate, domain, wanted="cert_own", now=NOW)

    assert (progress.state, progress.outcome) == (state, outcome)


@pytest.mark.parametrize(
    ("domain", "state", "outcome"),
    [
        (BOTH, "outdated", RequestOutcome.FAILED),
        (a_domain(certificate=AUTOMATIC), "detached", RequestOutcome.DETACHED),
        (a_domain(order=an_order(state="validating")), "validating", None),
        (a_domain(order=an_order(state="failed", finished_at=NOW)), "detached", RequestOutcome.FAILED),
        (a_domain(key_type=None), "detached", RequestOutcome.DETACHED),
    ],
)
def test_a_detachment_ends_when_the_domain_is_served_or_nothing_can_follow(
    domain: HostedDomain, state: str, outcome: RequestOutcome | None
) -> None:
    progress = changeover_of(a_fate(), domain, wanted=None, now=NOW)

    assert (progress.state, progress.outcome) == (state, outcome)


def test_the_sentence_names_the_served_certificate_and_its_end() -> None:
    attached = changeover_of(a_fate(), BOTH, wanted="cert_own", now=NOW)
    detached = changeover_of(a_fate(), a_domain(certificate=AUTOMATIC), wanted=None, now=NOW)

    assert attached.sentence == "shop.example.com now serves cert_own, the customer's own, until 2026-05-29 12:00 UTC"
    assert detached.sentence == "shop.example.com now serves cert_auto, an automatic one, until 2026-05-29 12:00 UTC"


def test_the_sentence_says_what_a_newer_request_did() -> None:
    progress = changeover_of(a_fate(), a_domain(certificate=AUTOMATIC), wanted="cert_own", now=NOW)

    assert progress.sentence == "a newer request was applied before this one: nothing is attached"


def test_the_sentence_says_why_the_attached_certificate_is_not_served() -> None:
    domain = a_domain(certificate=AUTOMATIC, other_certificates=(ENDED,))

    progress = changeover_of(a_fate(), domain, wanted="cert_own", now=NOW)

    assert progress.sentence == (
        "cert_own is attached, but shop.example.com serves cert_auto, because cert_own ended on 2026-02-28"
    )


@pytest.mark.parametrize(
    ("fate", "certificate", "outcome", "exit_code"),
    [
        (a_fate(was_seen=False), a_stored_certificate(), None, None),
        (a_fate(), None, RequestOutcome.DELETED, ExitCode.DONE),
        (a_fate(), a_stored_certificate(), RequestOutcome.FAILED, ExitCode.REFUSED),
        (a_fate(reason_code="x", reason="no"), a_stored_certificate(), RequestOutcome.REFUSED, ExitCode.REFUSED),
        (a_fate(reason_code="x", reason="no"), None, RequestOutcome.REFUSED, ExitCode.REFUSED),
    ],
)
def test_the_progress_of_a_deletion_follows_from_fate_and_database(
    fate: Fate, certificate: StoredCertificate | None, outcome: RequestOutcome | None, exit_code: ExitCode | None
) -> None:
    progress = deletion_of(fate, certificate)

    assert progress.outcome == outcome
    assert (None if outcome is None else outcome.exit_code) == exit_code


def test_a_refused_deletion_lists_the_domains_that_use_it_but_not_those_that_await_it() -> None:
    certificate = a_stored_certificate(uses={"a.example.com": "attached", "b.example.com": "awaited"})

    progress = deletion_of(a_fate(reason_code="certificate_in_use", reason="no"), certificate)

    assert progress.document["domains"] == ["a.example.com"]
