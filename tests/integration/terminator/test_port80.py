"""Port 80: HTTP-01 answers for the CA, redirects for all other clients."""

import asyncio

import pytest

from tests.fakes.terminator_store import Issuer, MemoryStore
from tests.rig.terminator.node import Rig, running_node

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = "shop.example.com"
THUMBPRINT = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
CHALLENGE = f"/.well-known/acme-challenge/{TOKEN}"


def request(target: str, host: str = SHOP, *, method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\n\r\n".encode()


@pytest.mark.parametrize("host", [SHOP, "SHOP.example.com.", f"{SHOP}:5002"])
async def test_a_challenge_is_answered_while_its_row_exists(rig: Rig, host: str) -> None:
    rig.store.answers[SHOP] = THUMBPRINT

    answer = await rig.plain(request(CHALLENGE, host))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(f"\r\n\r\n{TOKEN}.{THUMBPRINT}".encode())
    del rig.store.answers[SHOP]
    assert (await rig.plain(request(CHALLENGE, host))).startswith(b"HTTP/1.1 301 ")


async def test_a_challenge_is_answered_although_the_name_was_just_unknown(rig: Rig) -> None:
    assert (await rig.plain(request(CHALLENGE))).startswith(b"HTTP/1.1 301 ")
    rig.store.answers[SHOP] = THUMBPRINT

    assert (await rig.plain(request(CHALLENGE))).startswith(b"HTTP/1.1 200 ")


async def test_a_head_request_for_a_challenge_has_no_body(rig: Rig) -> None:
    rig.store.answers[SHOP] = THUMBPRINT

    answer = await rig.plain(request(CHALLENGE, method="HEAD"))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "target",
    [
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/a.b",
        "/.well-known/acme-challenge/a%2e",
        "/.well-known/acme-challenge/a/../b",
        f"{CHALLENGE}?x",
        f"{CHALLENGE}/",
        "/.well-known/acme-challenge/" + "a" * 129,
        f"//{SHOP}{CHALLENGE}",
    ],
)
async def test_only_a_well_formed_token_is_echoed(rig: Rig, target: str) -> None:
    rig.store.answers[SHOP] = THUMBPRINT

    answer = await rig.plain(request(target))

    assert answer.startswith(b"HTTP/1.1 301 ")
    assert THUMBPRINT.encode() not in answer


async def test_a_challenge_is_answered_with_503_while_the_store_is_unavailable(rig: Rig) -> None:
    rig.store.available = False

    answer = await rig.plain(request(CHALLENGE))

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in answer


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/", f"https://{SHOP}/"),
        ("/a/b?c=d&e=%2F", f"https://{SHOP}/a/b?c=d&e=%2F"),
        ("//evil.example/", f"https://{SHOP}//evil.example/"),
        ("/\\evil.example", f"https://{SHOP}/\\evil.example"),
        ("http://other.example.com/x", "https://other.example.com/x"),
    ],
)
async def test_every_other_request_is_redirected_to_the_same_target_by_https(
    rig: Rig, target: str, location: str
) -> None:
    answer = await rig.plain(request(target))

    assert answer.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
    assert f"\r\nLocation: {location}\r\n".encode() in answer


async def test_a_redirect_of_a_post_keeps_its_method(rig: Rig) -> None:
    answer = await rig.plain(request("/form", method="POST"))

    assert answer.startswith(b"HTTP/1.1 308 Permanent Redirect\r\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (request("/", "192.0.2.1"), b"400"),
        (request("/", "a.example\r\nX: y\r\nHost: b.example"), b"400"),
        (request("/", "evil.example/@"), b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20_000, b"431"),
        (b"GET / HTTP/3.0\r\nHost: a.example\r\n\r\n", b"505"),
    ],
)
async def test_a_doubtful_request_is_refused(rig: Rig, data: bytes, status: bytes) -> None:
    assert (await rig.plain(data)).startswith(b"HTTP/1.1 " + status)


async def test_a_request_in_portions_is_answered(rig: Rig) -> None:
    data = request("/")

    assert (await rig.exchange(rig.http_port, *(bytes([byte]) for byte in data))).startswith(b"HTTP/1.1 301 ")


async def test_a_slow_request_is_cut_off_while_others_are_answered(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, handshake_seconds=0.5, max_handshakes=50) as rig:
        slow = [asyncio.create_task(rig.plain(b"GET / HTTP/1.1\r\nHost:")) for _ in range(40)]

        assert (await rig.plain(request("/"))).startswith(b"HTTP/1.1 301 ")

        assert {answer[:12] for answer in await asyncio.gather(*slow)} == {b"HTTP/1.1 408"}


async def test_many_requests_for_unknown_hosts_cause_few_queries(rig: Rig) -> None:
    rig.store.gate = asyncio.Event()
    first = asyncio.create_task(rig.plain(request(CHALLENGE, "first.example.com")))
    while not rig.store.asked_hosts:
        await asyncio.sleep(0.01)
    asking = [asyncio.create_task(rig.plain(request(CHALLENGE, f"h{n}.example.com"))) for n in range(100)]
    await asyncio.sleep(0.3)

    rig.store.gate.set()
    answers = await asyncio.gather(first, *asking)

    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 301"}
    assert len(rig.store.asked_hosts) <= 3
