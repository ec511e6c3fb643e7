"""HTTP-01 on port 80: which requests ask for a challenge, and the answer to them."""

import pytest

from services.terminator.worker.http.http01 import RETRY, key_authorization, token_of
from services.terminator.worker.http.request_head import Request

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"  # of RFC 8555 section 8.3
HOST = "shop.example.com"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_for_a_challenge_has_a_token(method: str) -> None:
    assert token_of(Request(method, HOST, f"/.well-known/acme-challenge/{TOKEN}")) == TOKEN


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", f"/.well-known/acme-challenge/{TOKEN}"),
        ("GET", "/.well-known/acme-challenge/"),
        ("GET", f"/.well-known/acme-challenge/{TOKEN}/"),
        ("GET", f"/.well-known/acme-challenge/{TOKEN}?x"),
        ("GET", f"/x/.well-known/acme-challenge/{TOKEN}"),
        ("GET", "/.well-known/acme-challenge/a.b"),
        ("GET", "/.well-known/acme-challenge/" + 129 * "a"),
        ("GET", "/"),
    ],
)
def test_any_other_request_has_no_token(method: str, target: str) -> None:
    assert token_of(Request(method, HOST, target)) is None


def test_the_answer_is_the_key_authorization() -> None:
    request = Request("GET", HOST, f"/.well-known/acme-challenge/{TOKEN}")

    answer = key_authorization(request, TOKEN, "thumbprint")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(f"\r\n\r\n{TOKEN}.thumbprint".encode())


def test_a_ca_is_asked_to_retry_while_the_store_is_unavailable() -> None:
    assert RETRY.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 5\r\n" in RETRY
