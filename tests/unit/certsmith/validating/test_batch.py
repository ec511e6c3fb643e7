"""Every line of a batch is answered by one line, also an invalid one."""

import base64
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certsmith.validating.batch import answer_all
from certsmith.validating.request import MAX_BYTES
from dev.certificates import Authority

AUTHORITY = Authority.create("a private root")
BUNDLE, KEY = AUTHORITY.issue("shop.example.com")
OTHER_KEY = AUTHORITY.issue("shop.example.com")[1]
GOOD = {"bundle_pem": BUNDLE.decode(), "key_pem": KEY.decode()}
SECRET = KEY.decode().splitlines()[1]
SHAPE = {"id", "verdict", "reasons", "warnings", "publicly_trusted", "trust_anchor", "chain", "facts"}


def answers_to(*lines: bytes | dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a batch of *lines* is answered with."""
    packed = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    answers = io.StringIO()
    answer_all(io.BytesIO(b"\n".join(packed)), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def code_of(request: bytes | dict[str, Any]) -> tuple[str, str]:
    """Return for which reason, and where, the only *request* of a batch is rejected."""
    (answer,) = answers_to(request)
    assert answer["verdict"] == "reject"
    (reason,) = answer["reasons"]
    return reason["code"], reason["where"]


def test_requests_are_answered_in_their_order_by_their_ids() -> None:
    answers = answers_to({"id": "b", **GOOD}, {"id": 7, **GOOD, "key_pem": OTHER_KEY.decode()}, GOOD)

    assert [(answer["id"], answer["verdict"]) for answer in answers] == [
        ("b", "accept"),
        (7, "reject"),
        (None, "accept"),
    ]


def test_an_answer_has_chain_and_leaf() -> None:
    (answer,) = answers_to({"id": 1, **GOOD})

    assert answer.keys() == SHAPE
    assert [certificate["subject"] for certificate in answer["chain"]] == ["CN=shop.example.com"]
    assert answer["facts"]["names"] == ["shop.example.com"]
    assert answer["publicly_trusted"] is False


def test_files_can_be_given_in_base64() -> None:
    wrapped = base64.encodebytes(BUNDLE).decode()

    (answer,) = answers_to({"bundle_b64": wrapped, "key_b64": base64.b64encode(KEY).decode(), "bundle_pem": None})

    assert answer["verdict"] == "accept"


def test_domain_root_and_time_are_applied() -> None:
    stranger = Authority.create("another root")
    requests = [
        {**GOOD, "domain": "shop.example.com", "trust_pem": AUTHORITY.pem.decode()},
        {**GOOD, "domain": "cart.example.com"},
        {**GOOD, "trust_pem": stranger.pem.decode()},
        {**GOOD, "at": "2001-01-01"},
    ]

    assert [answer["verdict"] for answer in answers_to(*requests)] == ["accept", "reject", "reject", "reject"]


def test_unknown_fields_are_ignored() -> None:
    assert answers_to({**GOOD, "expect": "reject", "why": ["?"]})[0]["verdict"] == "accept"


@pytest.mark.parametrize(
    ("request_", "code", "where"),
    [
        (b"{", "request_invalid", "request"),
        (b"\xff\xfe{}", "request_invalid", "request"),
        (b"[" * 100_000, "request_invalid", "request"),
        (b'{"id": ' + b"9" * 5000 + b"}", "request_invalid", "request"),
        (b"[]", "request_invalid", "request"),
        ({}, "request_invalid", "bundle"),
        ({"bundle_pem": "x"}, "request_invalid", "key"),
        ({**GOOD, "bundle_b64": ""}, "request_invalid", "bundle"),
        ({**GOOD, "key_pem": ["x"]}, "request_invalid", "key_pem"),
        ({**GOOD, "id": {}}, "request_invalid", "id"),
        ({**GOOD, "id": True}, "request_invalid", "id"),
        ({**GOOD, "at": 1_763_640_000}, "request_invalid", "at"),
        ({**GOOD, "at": "soon"}, "at_invalid", "at"),
        ({**GOOD, "domain": "a b"}, "domain_invalid", "domain"),
        ({**GOOD, "trust_pem": "none"}, "trust_invalid", "trust_pem"),
        ({"bundle_b64": "!", "key_pem": "x"}, "base64_invalid", "bundle"),
        ({"bundle_pem": "x", "key_b64": "\u00e9"}, "base64_invalid", "key"),
    ],
)
def test_an_invalid_request_is_rejected_with_a_code(request_: Any, code: str, where: str) -> None:
    assert code_of(request_) == (code, where)


def test_the_batch_continues_after_an_invalid_request() -> None:
    answers = answers_to(b"{", {"id": 2}, b"", b"  \t", {"id": 3, **GOOD})

    assert [(answer["id"], answer["verdict"]) for answer in answers] == [
        (None, "reject"),
        (2, "reject"),
        (3, "accept"),
    ]


def test_every_answer_has_the_same_shape() -> None:
    answers = answers_to(b"{", {**GOOD, "at": "soon"}, GOOD)

    assert [answer.keys() for answer in answers] == [SHAPE] * 3


@pytest.mark.parametrize(("head", "request_id"), [(b'{"id": "big",', "big"), (b'{"id":7,', 7), (b'{"id":"\\x",', None)])
def test_a_line_that_is_too_long_is_answered_and_skipped(head: bytes, request_id: Any) -> None:
    long = head + b'"bundle_pem": "' + b"x" * (3 * MAX_BYTES) + b'"}'

    answers = answers_to(long, {"id": "next", **GOOD})

    assert [(answer["id"], answer["verdict"]) for answer in answers] == [(request_id, "reject"), ("next", "accept")]
    assert answers[0]["reasons"][0]["code"] == "request_too_large"


@pytest.mark.parametrize(
    "request_",
    [
        {"bundle_pem": KEY.decode(), "key_pem": KEY.decode()},
        {"bundle_pem": SECRET, "key_pem": SECRET},
        {"bundle_pem": BUNDLE.decode(), "key_b64": KEY.decode()},
        {**GOOD, "key_pem": KEY.decode().replace("BEGIN", "BEGUN")},
        KEY.replace(b"\n", b""),
        GOOD,
    ],
)
def test_no_answer_contains_the_key(request_: Any) -> None:
    assert SECRET not in json.dumps(answers_to(request_))


def test_text_with_a_lone_surrogate_is_judged_too() -> None:
    (answer,) = answers_to(b'{"id": "\\ud800", "bundle_pem": "\\ud800", "key_pem": "\\udfff"}')

    assert (answer["id"], answer["verdict"]) == ("\ud800", "reject")


@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line and line.strip()))
def test_any_line_is_answered(line: bytes) -> None:
    (answer,) = answers_to(line)

    assert answer["verdict"] == "reject"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "bundle_pem", "bundle_b64", "key_pem", "key_b64", "domain", "trust_pem", "at"]),
        JSON_VALUES,
    )
)
def test_any_request_is_answered(request_: dict[str, Any]) -> None:
    (answer,) = answers_to(request_)

    assert answer["verdict"] == "reject"
