"""The remedy for each error of a certificate authority, row by row of the tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.provisioner.rules.acme import (
    AuthorityError,
    AuthorizationStatus,
    CaAuthorization,
    CaChallenge,
    CaOrder,
    ChallengeStatus,
    Failure,
    OrderStatus,
    Phase,
    Problem,
    Subproblem,
)
from services.provisioner.rules.ca_errors.classify import verdict, verdict_on_order, verdict_on_problem
from services.provisioner.rules.ca_errors.verdict import Change, Pace, Remedy, Scope, Verdict
from shared.events import ErrorCode

NAME = "shop.example.com"
UNPAUSE = "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc"


def a_refusal(
    phase: Phase, kind: str | None, status: int = 400, detail: str = "why", **facts: object
) -> AuthorityError:
    problem = None if kind is None else Problem(type=kind, detail=detail)
    said = {"message": "what happened", "status": status, "problem": problem, **facts}
    return AuthorityError(phase=phase, failure=Failure.PROBLEM, **said)  # type: ignore[arg-type]  # facts are its fields


def a_failure(failure: Failure, *, outcome_unknown: bool = False) -> AuthorityError:
    return AuthorityError(
        message="what happened", phase=Phase.NEW_ORDER, failure=failure, outcome_unknown=outcome_unknown
    )


def an_order(error: Problem | None = None) -> CaOrder:
    return CaOrder(
        url="https://ca.test/order/1",
        status=OrderStatus.INVALID,
        names=(NAME,),
        authorization_urls=("https://ca.test/authz/1",),
        finalize_url="https://ca.test/order/1/finalize",
        error=error,
    )


def an_authorization(
    name: str, kind: str | None, status: AuthorizationStatus = AuthorizationStatus.INVALID
) -> CaAuthorization:
    challenge = CaChallenge(
        type="http-01",
        url="https://ca.test/chall/1",
        status=ChallengeStatus.INVALID,
        token="dG9r",
        error=None if kind is None else Problem(type=kind, detail="why"),
    )
    return CaAuthorization(
        url="https://ca.test/authz/1", name=name, wildcard=False, status=status, challenges=(challenge,)
    )


ANY_PHASE = tuple(Phase)
READS = (Phase.ORDER, Phase.AUTHORIZATION)
OWN = (Phase.ACCOUNT, Phase.NEW_ORDER, Phase.ORDER)
CA_ERROR = ErrorCode.AUTHORITY_ERROR
REQUESTS = [
    # phases, type, status, remedy, error code, scope, counts
    (ANY_PHASE, "badNonce", 400, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, False),
    (ANY_PHASE, "serverInternal", 500, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, True),
    (ANY_PHASE, None, 503, Remedy.RETRY_LATER, CA_ERROR, Scope.AUTHORITY, False),
    (ANY_PHASE, None, 429, Remedy.RETRY_LATER, CA_ERROR, Scope.AUTHORITY, False),
    (ANY_PHASE, None, 500, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, True),
    (ANY_PHASE, None, 502, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, True),
    (ANY_PHASE, "teapot", 418, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, True),
    (ANY_PHASE, "teapot", 500, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, True),
    (ANY_PHASE, "orderNotReady", 403, Remedy.REREAD, CA_ERROR, Scope.ORDER, False),
    (ANY_PHASE, "caa", 403, Remedy.AFTER_USER, ErrorCode.CAA_ERROR, Scope.ORDER, True),
    (ANY_PHASE, "rejectedIdentifier", 400, Remedy.NEVER, ErrorCode.REJECTED_IDENTIFIER, Scope.ORDER, True),
    (ANY_PHASE, "unsupportedIdentifier", 400, Remedy.NEVER, ErrorCode.REJECTED_IDENTIFIER, Scope.ORDER, True),
    (ANY_PHASE, "accountDoesNotExist", 400, Remedy.FRESH_ORDER, ErrorCode.ACCOUNT_ERROR, Scope.ACCOUNT, False),
    (ANY_PHASE, "externalAccountRequired", 403, Remedy.OPERATOR, ErrorCode.ACCOUNT_ERROR, Scope.ACCOUNT, True),
    (ANY_PHASE, "userActionRequired", 403, Remedy.OPERATOR, ErrorCode.ACCOUNT_ERROR, Scope.ACCOUNT, True),
    (ANY_PHASE, "agreementRequired", 403, Remedy.OPERATOR, ErrorCode.ACCOUNT_ERROR, Scope.ACCOUNT, True),
    (ANY_PHASE, "invalidContact", 400, Remedy.OPERATOR, ErrorCode.ACCOUNT_ERROR, Scope.ACCOUNT, True),
    (ANY_PHASE, "unsupportedContact", 400, Remedy.OPERATOR, ErrorCode.ACCOUNT_ERROR, Scope.ACCOUNT, True),
    (ANY_PHASE, "badSignatureAlgorithm", 400, Remedy.OPERATOR, ErrorCode.INTERNAL_ERROR, Scope.ORDER, True),
    (ANY_PHASE, "alreadyRevoked", 400, Remedy.DONE, CA_ERROR, Scope.ORDER, False),
    (ANY_PHASE, "alreadyReplaced", 409, Remedy.RETRY_NOW, CA_ERROR, Scope.ORDER, False),
    (ANY_PHASE, "invalidProfile", 400, Remedy.RETRY_NOW, CA_ERROR, Scope.ORDER, False),
    ((Phase.NEW_ORDER,), "conflict", 409, Remedy.RETRY_NOW, CA_ERROR, Scope.ORDER, False),
    ((Phase.FINALIZE,), "conflict", 409, Remedy.REREAD, CA_ERROR, Scope.ORDER, False),
    ((Phase.NEW_ORDER,), "malformed", 400, Remedy.NEVER, ErrorCode.REJECTED_IDENTIFIER, Scope.ORDER, True),
    ((Phase.CHALLENGE,), "malformed", 400, Remedy.REREAD, CA_ERROR, Scope.ORDER, False),
    ((Phase.FINALIZE,), "malformed", 400, Remedy.REREAD, CA_ERROR, Scope.ORDER, False),
    (READS, "malformed", 404, Remedy.FRESH_ORDER, CA_ERROR, Scope.ORDER, False),
    ((*READS, Phase.CHALLENGE), None, 404, Remedy.FRESH_ORDER, CA_ERROR, Scope.ORDER, False),
    ((Phase.FINALIZE,), None, 404, Remedy.REREAD, CA_ERROR, Scope.ORDER, False),
    ((Phase.CERTIFICATE,), "malformed", 404, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, True),
    ((Phase.CERTIFICATE,), None, 404, Remedy.RETRY_LATER, CA_ERROR, Scope.ORDER, True),
    ((Phase.ACCOUNT, Phase.DIRECTORY), "malformed", 400, Remedy.OPERATOR, ErrorCode.INTERNAL_ERROR, Scope.ORDER, True),
    (OWN, "unauthorized", 403, Remedy.OPERATOR, ErrorCode.ACCOUNT_ERROR, Scope.ACCOUNT, True),
    ((Phase.FINALIZE,), "unauthorized", 403, Remedy.FRESH_ORDER, CA_ERROR, Scope.ORDER, False),
    ((Phase.FINALIZE,), "badCSR", 400, Remedy.FRESH_ORDER, ErrorCode.INTERNAL_ERROR, Scope.ORDER, True),
    ((Phase.FINALIZE,), "badPublicKey", 400, Remedy.FRESH_ORDER, ErrorCode.INTERNAL_ERROR, Scope.ORDER, True),
    ((Phase.ACCOUNT,), "badPublicKey", 400, Remedy.OPERATOR, ErrorCode.INTERNAL_ERROR, Scope.ORDER, True),
    ((Phase.NEW_ORDER, Phase.FINALIZE), "dns", 400, Remedy.AFTER_USER, ErrorCode.DNS_ERROR, Scope.ORDER, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "kind", "status", "remedy", "error_code", "scope", "counts"),
    [(phase, *row) for phases, *row in REQUESTS for phase in phases],
)
def test_a_refused_request_has_its_remedy(
    phase: Phase,
    kind: str | None,
    status: int,
    remedy: Remedy,
    error_code: ErrorCode,
    scope: Scope,
    counts: bool,  # noqa: FBT001 - a column
) -> None:
    found = verdict(a_refusal(phase, kind, status), name=NAME)

    assert (found.remedy, found.error_code, found.scope, found.counts) == (remedy, error_code, scope, counts)


@pytest.mark.parametrize(
    ("kind", "remedy", "error_code"),
    [
        ("dns", Remedy.AFTER_USER, ErrorCode.DNS_ERROR),
        ("dnssec", Remedy.AFTER_USER, ErrorCode.DNS_ERROR),
        ("connection", Remedy.AFTER_USER, ErrorCode.VALIDATION_ERROR),
        ("tls", Remedy.AFTER_USER, ErrorCode.VALIDATION_ERROR),
        ("unauthorized", Remedy.AFTER_USER, ErrorCode.VALIDATION_ERROR),
        ("incorrectResponse", Remedy.AFTER_USER, ErrorCode.VALIDATION_ERROR),
        ("caa", Remedy.AFTER_USER, ErrorCode.CAA_ERROR),
        ("rejectedIdentifier", Remedy.NEVER, ErrorCode.REJECTED_IDENTIFIER),
        ("unsupportedIdentifier", Remedy.NEVER, ErrorCode.REJECTED_IDENTIFIER),
        ("userActionRequired", Remedy.OPERATOR, ErrorCode.ACCOUNT_ERROR),
        ("serverInternal", Remedy.FRESH_ORDER, ErrorCode.AUTHORITY_ERROR),
        ("rateLimited", Remedy.FRESH_ORDER, ErrorCode.AUTHORITY_ERROR),
        ("malformed", Remedy.FRESH_ORDER, ErrorCode.AUTHORITY_ERROR),
        ("teapot", Remedy.FRESH_ORDER, ErrorCode.AUTHORITY_ERROR),
        ("orderNotReady", Remedy.FRESH_ORDER, ErrorCode.AUTHORITY_ERROR),
    ],
)
def test_a_failed_validation_has_its_remedy(kind: str, remedy: Remedy, error_code: ErrorCode) -> None:
    found = verdict_on_problem(Problem(type=kind, detail="why"), name=NAME)

    assert (found.remedy, found.error_code) == (remedy, error_code)
    assert "why" in found.message


def test_an_expired_order_costs_no_attempt() -> None:
    found = verdict_on_problem(None, name=NAME)

    assert found.remedy is Remedy.FRESH_ORDER
    assert not found.counts


@pytest.mark.parametrize(
    ("failure", "outcome_unknown", "remedy", "scope"),
    [
        (Failure.UNREACHABLE, False, Remedy.RETRY_LATER, Scope.AUTHORITY),
        (Failure.UNREACHABLE, True, Remedy.REREAD, Scope.ORDER),
        (Failure.TIMEOUT, False, Remedy.RETRY_LATER, Scope.ORDER),
        (Failure.TIMEOUT, True, Remedy.REREAD, Scope.ORDER),
        (Failure.MALFORMED, False, Remedy.RETRY_LATER, Scope.ORDER),
        (Failure.MALFORMED, True, Remedy.REREAD, Scope.ORDER),
        (Failure.UNTRUSTED, False, Remedy.OPERATOR, Scope.AUTHORITY),
    ],
)
def test_a_request_without_an_answer_has_its_remedy(
    failure: Failure,
    outcome_unknown: bool,  # noqa: FBT001 - a parameter
    remedy: Remedy,
    scope: Scope,
) -> None:
    found = verdict(a_failure(failure, outcome_unknown=outcome_unknown), name=NAME)

    assert (found.remedy, found.scope) == (remedy, scope)


@pytest.mark.parametrize(
    ("detail", "scope"),
    [
        ("too many new orders (300) from this account in the last 3h0m0s, retry after …", Scope.ACCOUNT),
        ("too many new registrations (10) from this IP address in the last 3h0m0s", Scope.ACCOUNT),
        ('too many certificates (50) already issued for "example.com" in the last 168h', Scope.REGISTERED_DOMAIN),
        ("too many certificates (5) already issued for this exact set of identifiers", Scope.ORDER),
        ('too many failed authorizations (5) for "shop.example.com" in the last 1h0m0s', Scope.ORDER),
        ("slow down", Scope.ORDER),
    ],
)
def test_a_limit_delays_the_orders_in_its_scope_only(detail: str, scope: Scope) -> None:
    error = a_refusal(Phase.NEW_ORDER, "rateLimited", 429, detail, retry_after_seconds=3600.0)

    found = verdict(error, name=NAME)

    assert (found.remedy, found.scope, found.retry_after_seconds) == (Remedy.RETRY_LATER, scope, 3600.0)
    assert found.error_code is ErrorCode.RATE_LIMITED
    assert not found.counts


def test_a_paused_name_needs_the_operator_and_has_the_address_to_unpause() -> None:
    found = verdict(a_refusal(Phase.NEW_ORDER, "rateLimited", 429, help_url=UNPAUSE), name=NAME)

    assert found.remedy is Remedy.OPERATOR
    assert UNPAUSE in found.message


def test_a_limit_with_a_page_about_limits_is_not_a_pause() -> None:
    error = a_refusal(Phase.NEW_ORDER, "rateLimited", 429, help_url="https://ca.test/docs/rate-limits")

    assert verdict(error, name=NAME).remedy is Remedy.RETRY_LATER


@pytest.mark.parametrize(
    ("phase", "kind", "change"),
    [
        (Phase.NEW_ORDER, "alreadyReplaced", Change.WITHOUT_REPLACES),
        (Phase.NEW_ORDER, "invalidProfile", Change.WITHOUT_PROFILE),
        (Phase.ORDER, "accountDoesNotExist", Change.REGISTER_AGAIN),
        (Phase.FINALIZE, "badCSR", Change.NEW_KEY),
        (Phase.ORDER, "serverInternal", None),
    ],
)
def test_the_verdict_names_what_to_change(phase: Phase, kind: str, change: Change | None) -> None:
    assert verdict(a_refusal(phase, kind), name=NAME).change is change


@pytest.mark.parametrize(
    ("kind", "pace"),
    [("accountDoesNotExist", Pace.QUICK), ("serverInternal", Pace.STEADY), ("caa", Pace.SLOW), ("teapot", Pace.SLOW)],
)
def test_the_pace_of_retries_depends_on_who_must_act(kind: str, pace: Pace) -> None:
    assert verdict(a_refusal(Phase.NEW_ORDER, kind), name=NAME).pace is pace


def test_a_verdict_has_the_retry_after_of_the_error() -> None:
    error = a_refusal(Phase.FINALIZE, "serverInternal", 500, retry_after_seconds=60.0)

    assert verdict(error, name=NAME).retry_after_seconds == 60.0


def test_the_worst_of_several_names_decides_and_refused_names_are_listed() -> None:
    parts = (
        Subproblem(type="caa", detail="forbidden", name="a.example.com"),
        Subproblem(type="rejectedIdentifier", detail="blocked", name="b.example.com"),
        Subproblem(type="unsupportedIdentifier", detail="odd", name="c.example.com"),
    )
    error = a_refusal(Phase.NEW_ORDER, None)
    error.problem = Problem(type="compound", detail="several", subproblems=parts)

    found = verdict(error, name=NAME)

    assert found.remedy is Remedy.NEVER
    assert found.refused_names == ("b.example.com", "c.example.com")
    assert "b.example.com" in found.message


def test_the_verdict_on_an_invalid_order_is_that_on_its_failed_names() -> None:
    authorizations = [
        an_authorization("a.example.com", "connection"),
        an_authorization("b.example.com", None, AuthorizationStatus.VALID),
        an_authorization("c.example.com", "caa"),
        an_authorization("d.example.com", "serverInternal"),
    ]

    found = verdict_on_order(an_order(Problem(type="unauthorized", detail="summary")), authorizations)

    assert found.remedy is Remedy.AFTER_USER
    assert "a.example.com" in found.message


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        (None, Remedy.FRESH_ORDER),
        (Problem(type="serverInternal", detail="sorry"), Remedy.FRESH_ORDER),
        (Problem(type="caa", detail="forbidden"), Remedy.AFTER_USER),
        (Problem(type="badCSR", detail="weak key"), Remedy.FRESH_ORDER),
    ],
)
def test_the_verdict_on_an_invalid_order_with_valid_names_is_that_on_its_own_error(
    problem: Problem | None, remedy: Remedy
) -> None:
    fine = an_authorization(NAME, None, AuthorizationStatus.VALID)

    assert verdict_on_order(an_order(problem), [fine]).remedy is remedy


def test_an_expired_authorization_asks_for_a_fresh_order() -> None:
    expired = an_authorization(NAME, None, AuthorizationStatus.EXPIRED)

    assert verdict_on_order(an_order(), [expired]).remedy is Remedy.FRESH_ORDER


def test_every_message_names_who_must_act() -> None:
    by_owner = verdict_on_problem(Problem(type="connection", detail="connection refused"), name=NAME)
    by_operator = verdict(a_refusal(Phase.ACCOUNT, "externalAccountRequired", 403), name=NAME)
    by_nobody = verdict(a_refusal(Phase.ORDER, "serverInternal", 500), name=NAME)

    assert by_owner.message == (
        "the certificate authority could not reach shop.example.com (connection refused); the owner of its DNS must "
        "point it to this platform, with nothing in between that blocks port 80"
    )
    assert "the platform's operator must" in by_operator.message
    assert "no action is needed" in by_nobody.message


def test_a_long_detail_is_cut() -> None:
    found = verdict(a_refusal(Phase.ORDER, "serverInternal", 500, "x" * 5000), name=NAME)

    assert len(found.message) < 500


TEXTS = st.text(max_size=30)
PROBLEMS = st.builds(
    Problem,
    type=st.sampled_from(["caa", "dns", "badNonce", "rateLimited", "compound", "about:blank"]) | TEXTS,
    detail=TEXTS,
    subproblems=st.lists(st.builds(Subproblem, type=TEXTS, detail=TEXTS, name=st.none() | TEXTS), max_size=3).map(
        tuple
    ),
)


@given(
    st.builds(
        AuthorityError,
        message=TEXTS,
        phase=st.sampled_from(Phase),
        failure=st.sampled_from(Failure),
        status=st.none() | st.integers(100, 999),
        problem=st.none() | PROBLEMS,
        retry_after_seconds=st.none() | st.floats(0, 1e6),
        outcome_unknown=st.booleans(),
        help_url=st.none() | TEXTS,
    )
)
def test_every_error_gets_a_verdict(error: AuthorityError) -> None:
    found = verdict(error, name=NAME)

    assert isinstance(found, Verdict)
    assert found.message
    assert found.retry_after_seconds == error.retry_after_seconds


@given(st.none() | PROBLEMS)
def test_an_order_that_the_ca_made_invalid_is_never_continued(problem: Problem | None) -> None:
    remedy = verdict_on_problem(problem, name=NAME).remedy

    assert remedy in (Remedy.FRESH_ORDER, Remedy.AFTER_USER, Remedy.OPERATOR, Remedy.NEVER)
