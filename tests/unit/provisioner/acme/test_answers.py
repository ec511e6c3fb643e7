"""Errors keep everything that the CA sent."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from services.provisioner.adapters.acme import answers, documents
from services.provisioner.adapters.acme.transport import Call, Reply
from services.provisioner.rules.acme import AuthorityError, Failure, Phase

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NEW_ORDER = Call(method="POST", url="https://ca.test/order", phase=Phase.NEW_ORDER, changes=True)


def a_reply(status: int = 200, body: bytes = b"{}", **headers: str) -> Reply:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Reply(status=status, headers=CIMultiDictProxy(named), body=body)


def refused(reply: Reply, call: Call = NEW_ORDER) -> AuthorityError:
    with pytest.raises(AuthorityError) as caught:
        answers.raise_refusal(reply, call, clock=lambda: NOW)
    return caught.value


def test_a_refusal_keeps_type_detail_status_wait_and_address() -> None:
    body = {
        "type": "urn:ietf:params:acme:error:rateLimited",
        "detail": "too many new orders (300) from this account: see https://letsencrypt.org/docs/rate-limits/.",
    }

    error = refused(a_reply(429, json.dumps(body).encode(), Retry_After="3600"))

    assert error.phase is Phase.NEW_ORDER
    assert error.failure is Failure.PROBLEM
    assert error.status == 429
    assert error.problem is not None
    assert error.problem.type == "rateLimited"
    assert error.problem.document == body
    assert error.retry_after_seconds == 3600.0
    assert error.help_url == "https://letsencrypt.org/docs/rate-limits/"
    assert not error.outcome_unknown
    assert str(error) == f"new_order: HTTP status 429, rateLimited: {body['detail']}"


def test_the_instance_of_a_problem_is_preferred_to_a_url_in_its_text() -> None:
    body = b'{"type": "urn:ietf:params:acme:error:userActionRequired", "instance": "https://ca.test/terms/2"}'

    assert refused(a_reply(403, body)).help_url == "https://ca.test/terms/2"


def test_a_date_to_retry_after_is_counted_from_the_answer_s_own_date() -> None:
    reply = a_reply(503, b"", Retry_After="Fri, 20 Nov 2026 09:01:00 GMT", Date="Fri, 20 Nov 2026 09:00:00 GMT")

    assert refused(reply).retry_after_seconds == 60.0


def test_an_answer_without_a_date_is_counted_from_our_clock() -> None:
    assert refused(a_reply(503, b"", Retry_After="Fri, 20 Nov 2026 12:01:00 GMT")).retry_after_seconds == 60.0


@pytest.mark.parametrize(
    ("status", "changes", "unknown"),
    [
        (500, True, True),
        (502, True, True),
        (504, True, True),
        (503, True, False),
        (400, True, False),
        (500, False, False),
    ],
)
def test_after_a_server_error_the_outcome_of_a_change_is_unknown(status: int, changes: bool, unknown: bool) -> None:  # noqa: FBT001 - parameters
    call = Call(method="POST", url="https://ca.test/x", phase=Phase.FINALIZE, changes=changes)

    assert refused(a_reply(status), call).outcome_unknown is unknown


def test_a_redirect_is_not_followed() -> None:
    error = refused(a_reply(302, b"", Location="https://elsewhere.test/"))

    assert error.failure is Failure.MALFORMED
    assert "elsewhere" in str(error)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_that_is_not_an_error_raises_nothing(status: int) -> None:
    answers.raise_refusal(a_reply(status), NEW_ORDER, clock=lambda: NOW)


@given(st.integers(300, 599), st.binary(), st.text(alphabet=st.characters(codec="latin-1")))
def test_no_answer_raises_anything_else(status: int, body: bytes, header: str) -> None:
    reply = a_reply(status, body, Retry_After=header, Date=header, Location=header)

    assert refused(reply).message


@given(st.binary())
def test_no_document_raises_anything_else(body: bytes) -> None:
    reply = a_reply(201, body)

    with pytest.raises(AuthorityError) as caught:
        answers.read(documents.order, answers.document_of(reply, NEW_ORDER), NEW_ORDER, url="https://ca.test/order/1")

    assert caught.value.failure is Failure.MALFORMED
    assert caught.value.outcome_unknown
