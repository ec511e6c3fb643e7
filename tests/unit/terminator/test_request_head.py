"""Request heads are parsed strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.terminator.worker.http.pages import Status, page
from services.terminator.worker.http.request_head import BadRequestError, Request, may_be_request, parse_head


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (head("GET / HTTP/1.1", "Host: shop.example.com"), Request("GET", "shop.example.com", "/")),
        (head("HEAD /a?b=c HTTP/1.0", "host:\tShop.Example.com. "), Request("HEAD", "shop.example.com", "/a?b=c")),
        (head("POST / HTTP/1.1", "A: b", "HOST: a.example:8080", "C: \xe4"), Request("POST", "a.example", "/")),
        (head("GET http://b.example/x HTTP/1.1", "Host: a.example"), Request("GET", "b.example", "/x")),
        (head("GET HTTP://b.example:80 HTTP/1.1", "Host: a.example"), Request("GET", "b.example", "/")),
    ],
)
def test_a_request_is_parsed(data: bytes, request_: Request) -> None:
    assert parse_head(data) == request_
    assert parse_head(data + b"body") == request_
    assert all(parse_head(data[:end]) is None for end in range(len(data)))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head("GET / HTTP/1.1"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: a.example", "Host: b.example"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: "), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: 192.0.2.1"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: [::1]:80"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: a.example@evil.example"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: a.example/evil"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: a.example:x"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host : a.example"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", " Host: a.example"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: a.example", " folded"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: a.example", "X: a\x00b"), Status.BAD_REQUEST),
        (head("GET / HTTP/1.1", "Host: a.example\nX: b"), Status.BAD_REQUEST),
        (head("GET  / HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET /a b HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET /\x7f HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET /\xe4 HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET a.example HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("OPTIONS * HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("CONNECT a.example:443 HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET https://a.example/ HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET http://a@b.example/ HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET http://b.example?x HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET /"), Status.BAD_REQUEST),
        (head("", "GET / HTTP/1.1", "Host: a.example"), Status.BAD_REQUEST),
        (head("GET / HTTP/2.0", "Host: a.example"), Status.NOT_SUPPORTED),
        (head("GET / HTTP/1.1", *["X: y"] * 100, "Host: a.example"), Status.TOO_LARGE),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000, Status.TOO_LARGE),
    ],
)
def test_a_doubtful_request_is_refused(data: bytes, status: Status) -> None:
    with pytest.raises(BadRequestError) as refusal:
        parse_head(data)

    assert refusal.value.status is status


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_refused_or_incomplete(data: bytes) -> None:
    try:
        request = parse_head(data + b"\r\n\r\n")
    except BadRequestError:
        return
    assert request is not None
    assert request.target.startswith("/")


@pytest.mark.parametrize("data", [b"G", b"GET", b"GET /", b"PROPFIND /x"])
def test_the_start_of_a_request_is_recognized(data: bytes) -> None:
    assert may_be_request(data)


@pytest.mark.parametrize(
    "data", [b"get /", b"\x16\x03", b"EHLO\r\n", b"EHLO mail.example.net\r\n", b"*1\r\n", b"SSH-2.0"]
)
def test_other_protocols_are_not_recognized_as_requests(data: bytes) -> None:
    assert not may_be_request(data)


def test_a_page_has_hsts_only_over_tls() -> None:
    over_tls = page(Status.BAD_GATEWAY, detail="it does not answer", tls=True)
    plain = page(Status.BAD_GATEWAY, tls=False, head=True)

    start, _, body = over_tls.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in start
    assert b"Strict-Transport-Security: max-age=31536000" in start
    assert body.endswith(b"The site cannot be reached: it does not answer\n")
    assert plain.endswith(b"\r\n\r\n")
    assert b"Strict-Transport-Security" not in plain
