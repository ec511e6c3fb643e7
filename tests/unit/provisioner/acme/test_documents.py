"""Documents of a CA, well-formed and not."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.provisioner.adapters.acme import documents
from services.provisioner.adapters.acme.documents import DocumentError
from services.provisioner.rules.acme import AuthorizationStatus, ChallengeStatus, OrderStatus, Subproblem

URL = "https://ca.test/order/1"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
PROBLEM_KEYS = st.sampled_from(["type", "detail", "title", "status", "instance", "subproblems", "identifier"])
ORDER_KEYS = st.sampled_from(
    ["status", "expires", "identifiers", "authorizations", "finalize", "certificate", "error", "challenges", "token"]
)


def an_order(**fields: object) -> dict[str, object]:
    return {
        "status": "pending",
        "identifiers": [{"type": "dns", "value": "shop.example.com"}],
        "authorizations": ["https://ca.test/authz/1"],
        "finalize": "https://ca.test/order/1/finalize",
        **fields,
    }


def an_authorization(**fields: object) -> dict[str, object]:
    challenge = {"type": "http-01", "url": "https://ca.test/chall/1", "status": "pending", "token": "dG9r"}
    return {
        "status": "pending",
        "identifier": {"type": "dns", "value": "shop.example.com"},
        "challenges": [challenge],
        **fields,
    }


def test_an_order_is_read_whole() -> None:
    found = documents.order(
        an_order(
            status="valid",
            expires="2026-11-21T10:00:00Z",
            certificate="https://ca.test/cert/1",
            error={"type": "urn:ietf:params:acme:error:caa", "detail": "no"},
        ),
        url=URL,
        retry_after_seconds=3.0,
    )

    assert found.status is OrderStatus.VALID
    assert found.names == ("shop.example.com",)
    assert found.authorization_urls == ("https://ca.test/authz/1",)
    assert found.finalize_url == "https://ca.test/order/1/finalize"
    assert found.certificate_url == "https://ca.test/cert/1"
    assert found.expires_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert found.error is not None
    assert found.error.type == "caa"
    assert found.retry_after_seconds == 3.0


@pytest.mark.parametrize("status", ["frozen", "", None, 7, ["pending"]])
def test_an_unknown_status_is_not_an_error(status: object) -> None:
    assert documents.order(an_order(status=status), url=URL).status is OrderStatus.UNKNOWN
    found = documents.authorization(an_authorization(status=status), url=URL)
    assert found.status is AuthorizationStatus.UNKNOWN


def test_an_unknown_kind_of_challenge_is_kept() -> None:
    persist = {"type": "dns-persist-01", "url": "https://ca.test/chall/2", "status": "thinking", "issuer-domain": "x"}
    known = an_authorization()["challenges"]
    assert isinstance(known, list)

    found = documents.authorization(an_authorization(challenges=[persist, *known]), url=URL)

    assert [each.type for each in found.challenges] == ["dns-persist-01", "http-01"]
    assert found.challenges[0].status is ChallengeStatus.UNKNOWN
    http = found.challenge("http-01")
    assert http is not None
    assert http.token == "dG9r"


@pytest.mark.parametrize("token", ["../../x", "a b", "a" * 129, "", None, "tök"])
def test_a_malformed_token_is_dropped(token: object) -> None:
    challenge = {"type": "http-01", "url": "https://ca.test/chall/1", "status": "pending", "token": token}

    found = documents.authorization(an_authorization(challenges=[challenge]), url=URL)

    assert found.challenges[0].token == ""


def test_the_failed_challenge_says_why_the_authorization_failed() -> None:
    fine = {"type": "dns-01", "url": "https://ca.test/chall/2", "status": "pending", "token": "x"}
    failed = {
        "type": "http-01",
        "url": "https://ca.test/chall/1",
        "status": "invalid",
        "token": "dG9r",
        "error": {"type": "urn:ietf:params:acme:error:connection", "detail": "refused", "status": 400},
    }

    found = documents.authorization(an_authorization(status="invalid", challenges=[fine, failed]), url=URL)

    assert found.error is not None
    assert (found.error.type, found.error.detail) == ("connection", "refused")


@pytest.mark.parametrize(
    "fields",
    [
        {"finalize": None},
        {"finalize": "/relative"},
        {"finalize": "https://ca.test/a b"},
        {"authorizations": None},
        {"authorizations": [7]},
    ],
)
def test_an_order_without_its_urls_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(DocumentError):
        documents.order(an_order(**fields), url=URL)


def test_a_problem_keeps_its_whole_document() -> None:
    said = {
        "type": "urn:ietf:params:acme:error:compound",
        "detail": "two\nnames  are bad",
        "status": 403,
        "instance": "https://ca.test/docs/7",
        "algorithms": ["ES256"],
        "subproblems": [
            {
                "type": "urn:ietf:params:acme:error:rejectedIdentifier",
                "detail": "blocked",
                "identifier": {"type": "dns", "value": "bad.example.com"},
            },
            {"type": "https://ca.test/odd", "detail": "?", "identifier": {"type": "carrot", "value": "x"}},
            "nonsense",
        ],
    }

    found = documents.problem(said)

    assert found is not None
    assert (found.type, found.detail, found.status) == ("compound", "two names are bad", 403)
    assert found.instance == "https://ca.test/docs/7"
    assert found.subproblems == (
        Subproblem(type="rejectedIdentifier", detail="blocked", name="bad.example.com"),
        Subproblem(type="https://ca.test/odd", detail="?", name=None),
    )
    assert found.document == said


@given(JSON | st.dictionaries(PROBLEM_KEYS, JSON))
def test_any_json_makes_a_problem_that_can_be_shown_and_stored(value: Any) -> None:
    found = documents.problem(value)

    assert (found is None) == (not isinstance(value, dict))
    if found is not None:
        assert found.type
        assert found.detail.isprintable()
        stored = json.dumps(found.document, ensure_ascii=False, allow_nan=False)
        assert "\0" not in stored
        stored.encode()


@given(st.dictionaries(ORDER_KEYS, JSON, max_size=9))
def test_any_json_is_an_order_an_authorization_or_an_error_of_ours(value: dict[str, Any]) -> None:
    for parse in (documents.order, documents.authorization):
        with suppress(DocumentError):
            parse(value, url=URL)


@given(st.binary())
def test_any_body_is_json_or_an_error_of_ours(body: bytes) -> None:
    with suppress(DocumentError):
        assert isinstance(documents.load(body), dict)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 100_000,
        b'{"a": "\xff"}',
        b"<html>",
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentError, match=r"it is not (a )?JSON"):
        documents.load(body)


def test_text_that_postgresql_cannot_store_is_replaced() -> None:
    said = documents.load(b'{"type": "x", "detail": "a\\u0000b", "more": {"\\ud800": ["\\udfff"]}}')

    found = documents.problem(said)

    assert found is not None
    assert found.detail == "a b"
    assert found.document == {"type": "x", "detail": "a�b", "more": {"?": ["?"]}}


def test_a_deeply_nested_problem_is_cut() -> None:
    deep: dict[str, object] = {"type": "x"}
    inner = deep
    for _ in range(100):
        inner["more"] = inner = {}

    found = documents.problem(deep)

    assert found is not None
    assert json.dumps(found.document).count("{") < 20


def test_a_directory_has_the_urls_of_the_resources() -> None:
    said = {
        "newNonce": "https://ca.test/nonce",
        "newAccount": "https://ca.test/account",
        "newOrder": "https://ca.test/order",
        "meta": {"externalAccountRequired": False},
    }

    found = documents.directory(said)

    assert (found.new_nonce, found.new_account, found.new_order) == tuple(said.values())[:3]
    assert found.renewal_info is None


PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


@given(st.lists(st.binary(min_size=1), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_a_chain_is_read_in_its_order(certificates: list[bytes], line_break: str) -> None:
    text = "\n".join(PEM.format(base64.encodebytes(each).decode().strip()) for each in certificates)

    assert documents.chain(text.replace("\n", line_break).encode()) == tuple(certificates)


@pytest.mark.parametrize("body", [b"", b"not found", PEM.format("!!!").encode(), PEM.format("A").encode()])
def test_a_body_that_is_not_a_chain_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentError, match="certificate"):
        documents.chain(body)
