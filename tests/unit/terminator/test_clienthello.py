"""The ClientHello: a real one is parsed in any portions, and a broken one is refused with the right alert."""

import itertools
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from services.terminator.rules.alerts import Alert, HelloError, PlainHttpError
from services.terminator.rules.clienthello import MAX_HELLO_BYTES, ClientHello, HelloReader, host_name
from tests.builders.client_hello import alpn, body, extension, hello, message, records, server_name, vector, versions

CAPTURED = sorted(Path(__file__).with_name("hellos").glob("*.hex"))
SHOP = "shop.example.com"


def read(*portions: bytes) -> ClientHello | None:
    reader = HelloReader()
    found = None
    for portion in portions:
        assert found is None, "bytes are left over"
        found = reader.feed(portion)
    return found


def alert_for(*portions: bytes) -> Alert:
    with pytest.raises(HelloError) as refusal:
        read(*portions)
    return refusal.value.alert


def cut(data: bytes, at: set[int]) -> list[bytes]:
    edges = [0, *sorted(edge for edge in at if 0 < edge < len(data)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_the_hello_of_a_real_client_is_parsed_byte_by_byte(path: Path) -> None:
    data = bytes.fromhex(path.read_text())

    found = read(*(bytes([byte]) for byte in data))

    assert found is not None
    assert found.server_name == (None if "noservername" in path.stem else SHOP)


def test_the_hello_of_this_python_is_parsed() -> None:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=SHOP)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()

    assert read(outgoing.read()) == ClientHello(server_name=SHOP, alpn=(b"h2", b"http/1.1"))


def test_a_hello_of_pyopenssl_with_a_post_quantum_key_share_is_parsed() -> None:
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_tlsext_host_name(SHOP.encode())
    client.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    data = client.bio_read(65536)

    assert len(data) > 1200
    assert read(data) == ClientHello(server_name=SHOP)


@given(
    portions=st.sets(st.integers(1, 400)),
    sizes=st.lists(st.integers(1, 60), max_size=40),
    names=st.lists(st.sampled_from([b"h2", b"http/1.1", b"x" * 255]), max_size=3, unique=True),
    padding=st.integers(0, 2000),
)
def test_the_result_does_not_depend_on_records_and_portions(
    portions: set[int], sizes: list[int], names: list[bytes], padding: int
) -> None:
    extensions = [extension(21, bytes(padding)), server_name(SHOP.encode()), versions(0x0A0A, 0x0304)]
    extensions += [alpn(*names)] if names else []
    data = records(message(body(extensions)), sizes=sizes)

    assert read(*cut(data, portions)) == ClientHello(server_name=SHOP, alpn=tuple(names))


@given(st.binary(max_size=600), st.sets(st.integers(1, 600)))
def test_any_bytes_are_refused_or_incomplete(data: bytes, portions: set[int]) -> None:
    reader = HelloReader()
    try:
        for portion in cut(data, portions):
            if reader.feed(portion) is not None:
                return
    except (HelloError, PlainHttpError):
        return
    assert bytes(reader.kept) == data


@given(st.binary(max_size=300))
def test_any_body_is_parsed_or_refused(content: bytes) -> None:
    try:
        found = read(records(message(body([server_name(b"a.example")]) + content)))
    except HelloError:
        return
    assert found is None or found.server_name == "a.example"


@given(st.data())
def test_a_hello_with_any_byte_changed_is_parsed_or_refused(data: st.DataObject) -> None:
    whole = bytearray(hello(server_name(b"a.example"), alpn(b"h2"), versions(0x0304)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        read(bytes(whole))
    except (HelloError, PlainHttpError):
        return


def test_a_hello_in_records_of_one_byte_is_parsed() -> None:
    content = message(body([server_name(SHOP.encode())]))

    assert read(records(content, sizes=[1] * len(content))) == ClientHello(server_name=SHOP)


def test_openssl_gets_the_bytes_unchanged() -> None:
    reader = HelloReader()
    data = records(message(body([server_name(SHOP.encode())])), sizes=[7, 90]) + b"more"

    reader.feed(data)

    assert bytes(reader.kept) == data


def test_a_hello_without_extensions_has_no_name() -> None:
    assert read(records(message(body(None)))) == ClientHello(server_name=None)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b"Shop.Example.COM", SHOP),
        (b"shop.example.com.", SHOP),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"_dmarc.shop_a.example", "_dmarc.shop_a.example"),
        (b"localhost", "localhost"),
        (b"a" * 63 + b".example", "a" * 63 + ".example"),
        (b"192.0.2.1", None),
        (b"2001:db8::1", None),
        (b"1.2.3.4.", None),
        (b"*.example.com", None),
        (b"shop..example.com", None),
        (b"shop.example.com..", None),
        (b".example.com", None),
        (b".", None),
        (b"-shop.example.com", None),
        (b"shop-.example.com", None),
        ("bücher.example".encode(), None),
        (b"shop example.com", None),
        (b"shop.example.com:443", None),
        (b"a" * 64 + b".example", None),
        (b".".join([b"a" * 49] * 5) + b".bcd", ".".join(["a" * 49] * 5) + ".bcd"),
    ],
)
def test_a_name_has_the_form_of_the_store_or_counts_as_none(sent: bytes, name: str | None) -> None:
    assert read(hello(server_name(sent))) == ClientHello(server_name=name)


def test_a_name_of_254_characters_counts_as_none() -> None:
    name = b".".join([b"a" * 49] * 5) + b".abcd"

    assert len(name) == 254
    assert read(hello(server_name(name))) == ClientHello(server_name=None)


@given(st.text(max_size=300))
def test_a_host_name_is_lower_case_and_fits_the_dns(text: str) -> None:
    name = host_name(text.encode())

    assert name is None or (name == name.lower() and 0 < len(name) <= 253 and not name.endswith("."))


@pytest.mark.parametrize(
    ("data", "alert"),
    [
        (hello(server_name(b"a\x00b.example")), Alert.UNRECOGNIZED_NAME),
        (hello(server_name(b"a" * 300)), Alert.UNRECOGNIZED_NAME),
        (hello(server_name(b"")), Alert.DECODE_ERROR),
        (hello(server_name()), Alert.DECODE_ERROR),
        (hello(extension(0, b"")), Alert.DECODE_ERROR),
        (hello(extension(0, vector(b"\x01" + vector(b"a.example", 2), 2))), Alert.DECODE_ERROR),
        (hello(extension(0, vector(b"\x00\x00", 2))), Alert.DECODE_ERROR),
        (hello(server_name(b"a.example", b"b.example")), Alert.ILLEGAL_PARAMETER),
        (hello(server_name(b"a.example"), server_name(b"a.example")), Alert.ILLEGAL_PARAMETER),
        (hello(extension(99, b""), extension(99, b"")), Alert.ILLEGAL_PARAMETER),
        (hello(alpn()), Alert.DECODE_ERROR),
        (hello(alpn(b"")), Alert.DECODE_ERROR),
        (hello(extension(16, vector(b"\x09h2", 2))), Alert.DECODE_ERROR),
        (hello(versions()), Alert.DECODE_ERROR),
        (hello(extension(43, b"\x03\x03\x04\x03")), Alert.DECODE_ERROR),
        (hello(versions(0x0302, 0x0301)), Alert.PROTOCOL_VERSION),
        (records(message(body(version=0x0302))), Alert.PROTOCOL_VERSION),
        (records(message(body(session_id=b"s" * 33))), Alert.DECODE_ERROR),
        (records(message(body(ciphers=b""))), Alert.DECODE_ERROR),
        (records(message(body(ciphers=b"\x13"))), Alert.DECODE_ERROR),
        (records(message(body(compressions=b""))), Alert.DECODE_ERROR),
        (records(message(body(after=b"x"))), Alert.DECODE_ERROR),
        (records(message(body([b"\x00"]))), Alert.DECODE_ERROR),
        (records(message(b"")), Alert.DECODE_ERROR),
        (records(message(body(), kind=2)), Alert.UNEXPECTED_MESSAGE),
        (records(message(body()), kind=23), Alert.UNEXPECTED_MESSAGE),
        (b"\x16\x02", Alert.PROTOCOL_VERSION),
        (b"\x16\x03\x01\x00\x00", Alert.DECODE_ERROR),
        (b"\x16\x03\x01\x40\x01", Alert.DECODE_ERROR),
        (b"\x80\x2e\x01\x03\x01", Alert.UNEXPECTED_MESSAGE),  # SSL 2.0's
        (b"\x00", Alert.UNEXPECTED_MESSAGE),
    ],
)
def test_an_unacceptable_hello_is_refused_with_its_alert(data: bytes, alert: Alert) -> None:
    assert alert_for(data) is alert


def test_a_hello_that_announces_too_many_bytes_is_refused_at_once() -> None:
    assert alert_for(records(b"\x01" + (MAX_HELLO_BYTES + 1).to_bytes(3))) is Alert.ILLEGAL_PARAMETER


def test_the_largest_hello_is_parsed() -> None:
    name = server_name(SHOP.encode())
    padding = MAX_HELLO_BYTES - len(body([name, extension(21, b"")]))
    content = message(body([name, extension(21, bytes(padding))]))

    assert read(records(content, sizes=[16_000])) == ClientHello(server_name=SHOP)


def test_the_largest_hello_in_the_smallest_records_stays_within_the_memory_limit() -> None:
    content = message(bytes(MAX_HELLO_BYTES))[:-1]
    reader = HelloReader()

    assert reader.feed(records(content, sizes=[1] * len(content))) is None
    assert reader.feed(b"\x16\x03\x01\x40\x00" + bytes(16_383)) is None
    assert len(reader.kept) < 6 * (MAX_HELLO_BYTES + 4) + 16_389


@pytest.mark.parametrize("data", [b"G", b"GET / HTTP/1.1\r\n", b"POST /"])
def test_http_on_the_port_for_tls_is_recognized(data: bytes) -> None:
    with pytest.raises(PlainHttpError):
        read(data)


def test_an_alert_is_a_record_of_its_own() -> None:
    assert Alert.INTERNAL_ERROR.record == b"\x15\x03\x03\x00\x02\x02\x50"
