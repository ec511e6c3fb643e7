"""The progress of a request, and its outcome."""

import pytest

from certsmith.exits import ExitCode
from certsmith.publishing.progress import RequestOutcome, progress_of
from shared.registry.views.fates import Fate
from shared.registry.views.model import HostedDomain
from tests.builders.views import NOW, a_certificate, a_domain, a_fate, an_order

SERVED = a_domain(certificate=a_certificate(), order=an_order(state="issued", finished_at=NOW))
DELETED = a_domain(deleted_at=NOW)


@pytest.mark.parametrize(
    ("fate", "domain", "state", "outcome"),
    [
        (a_fate(was_seen=False), None, "published", None),
        (a_fate(was_seen=False), SERVED, "published", None),
        (a_fate(reason_code="domain_unknown", reason="no"), None, "refused", RequestOutcome.REFUSED),
        (a_fate(was_seen=False, reason_code="too_large", reason="no"), None, "refused", RequestOutcome.REFUSED),
        (a_fate(), SERVED, "served", RequestOutcome.SERVED),
        (a_fate(), a_domain(order=an_order(state="validating")), "validating", None),
        (a_fate(), a_domain(order=an_order(state="waiting_dns", error_code="DNS_ERROR")), "waiting_dns", None),
        (a_fate(), a_domain(certificate=a_certificate(), order=an_order(state="keyed")), "keyed", None),
        (a_fate(), a_domain(order=an_order(state="failed", finished_at=NOW)), "failed", RequestOutcome.FAILED),
        (a_fate(), a_domain(order=an_order(state="parked", finished_at=NOW)), "parked", RequestOutcome.FAILED),
        (a_fate(), a_domain(key_type=None), "registered", RequestOutcome.REGISTERED),
        (a_fate(), a_domain(), "stuck", RequestOutcome.FAILED),
        (a_fate(), DELETED, "deleted", RequestOutcome.FAILED),
        (a_fate(), None, "deleted", RequestOutcome.FAILED),
    ],
)
def test_the_progress_of_a_request_follows_from_its_fate_and_its_domain(
    fate: Fate, domain: HostedDomain | None, state: str, outcome: RequestOutcome | None
) -> None:
    progress = progress_of(fate, domain, deletes=False, now=NOW)

    assert (progress.state, progress.outcome) == (state, outcome)


@pytest.mark.parametrize(
    ("domain", "outcome"),
    [(DELETED, RequestOutcome.DELETED), (None, RequestOutcome.DELETED), (SERVED, RequestOutcome.FAILED)],
)
def test_a_deletion_has_succeeded_when_the_domain_is_gone(domain: HostedDomain | None, outcome: RequestOutcome) -> None:
    assert progress_of(a_fate(), domain, deletes=True, now=NOW).outcome is outcome


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (RequestOutcome.SERVED, ExitCode.DONE),
        (RequestOutcome.REGISTERED, ExitCode.DONE),
        (RequestOutcome.DELETED, ExitCode.DONE),
        (RequestOutcome.ACCEPTED, ExitCode.DONE),
        (RequestOutcome.REJECTED, ExitCode.REFUSED),
        (RequestOutcome.REFUSED, ExitCode.REFUSED),
        (RequestOutcome.FAILED, ExitCode.REFUSED),
    ],
)
def test_each_outcome_has_its_exit_code(outcome: RequestOutcome, code: ExitCode) -> None:
    assert outcome.exit_code is code
