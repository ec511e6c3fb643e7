"""Handshakes, good and bad, with a real worker."""

import asyncio
import ssl
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from services.terminator.rules.alerts import Alert
from tests.builders.client_hello import alpn, body, extension, hello, message, records, server_name, versions
from tests.fakes.terminator_store import Issuer, MemoryStore, authority, careless_context, trusting_context
from tests.rig.terminator.clients import BareClient, only
from tests.rig.terminator.node import Rig, running_node, upstream, web

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP, OTHER = "shop.example.com", "other.example.com"


def leaf_of(rig: Rig, name: str) -> bytes:
    certificate = rig.store.rows[name].automatic
    assert certificate is not None
    return certificate.leaf


async def test_a_hello_in_segments_of_one_byte_is_answered(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    client = await BareClient.connect(rig.https_port, SHOP)

    await client.send(*(bytes([byte]) for byte in client.hello()))
    await client.shake_hands()

    assert client.leaf() == leaf_of(rig, SHOP)
    client.close()


async def test_a_hello_in_records_of_a_few_bytes_is_answered(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    client = await BareClient.connect(rig.https_port, SHOP)
    content = client.hello()[5:]

    await client.send(records(content, sizes=[1, 2, 3, 100] + [50] * 20))
    await client.shake_hands()

    assert client.leaf() == leaf_of(rig, SHOP)
    client.close()


async def test_a_post_quantum_group_is_agreed_on(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    client = await BareClient.connect(rig.https_port, SHOP)

    await client.shake_hands()

    assert client.tls.get_group_name() == "X25519MLKEM768"
    client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_have_forward_secrecy_and_aead(rig: Rig, issuer: Issuer, version: ssl.TLSVersion) -> None:
    await rig.host(issuer.domain(SHOP))

    _, writer = await rig.tls(SHOP, context=only(version, trusting_context()))

    cipher, spoken, _ = writer.get_extra_info("cipher")
    assert spoken == version.name.replace("_", ".")
    assert cipher.startswith(("ECDHE-", "TLS_"))
    assert "GCM" in cipher or "CHACHA20" in cipher
    writer.transport.abort()


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"])
async def test_ciphers_without_forward_secrecy_or_aead_are_refused_with_an_alert(
    rig: Rig, issuer: Issuer, ciphers: str
) -> None:
    await rig.host(issuer.domain(SHOP))
    context = only(ssl.TLSVersion.TLSv1_2, trusting_context())
    context.set_ciphers(ciphers)

    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        await rig.tls(SHOP, context=context)


async def test_the_whole_chain_is_sent(rig: Rig, issuer: Issuer) -> None:
    issuing = authority().certificate.public_bytes(Encoding.DER)
    await rig.host(issuer.domain(SHOP, certificate=replace(issuer.certificate(SHOP), issuers=(issuing,))))
    client = await BareClient.connect(rig.https_port, SHOP)

    await client.shake_hands()

    chain = client.tls.get_peer_cert_chain(as_cryptography=True)
    assert chain is not None
    assert [item.public_bytes(Encoding.DER) for item in chain] == [leaf_of(rig, SHOP), issuing]
    client.close()


async def test_a_name_is_found_in_any_case_and_with_a_trailing_dot(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    client = await BareClient.connect(rig.https_port, "SHOP.example.COM.")

    await client.shake_hands()

    assert client.leaf() == leaf_of(rig, SHOP)
    client.close()


async def test_a_wildcard_is_served_one_label_down_and_no_further(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain("*.example.com"))

    assert await rig.shown(SHOP) == leaf_of(rig, "*.example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        await rig.shown("a.b.example.com")


@pytest.mark.parametrize("name", [None, "192.0.2.1", "not a host", "nobody.example.net"])
async def test_an_unknown_or_missing_name_gets_the_default_certificate_and_421(rig: Rig, name: str | None) -> None:
    client = await BareClient.connect(rig.https_port, name)
    await client.shake_hands()
    await client.write(b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")

    answer = await client.read_all()

    shown = x509.load_der_x509_certificate(client.leaf())
    assert shown.subject.rfc4514_string() == "CN=no such site"
    assert answer.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
    assert b"Strict-Transport-Security" in answer
    client.close()


async def test_a_name_without_a_certificate_yet_gets_the_default_one_and_not_the_wildcards(
    rig: Rig, issuer: Issuer
) -> None:
    await rig.host(issuer.domain("*.example.com"))
    await rig.host(replace(issuer.domain(SHOP), automatic=None))

    answer = await rig.get(SHOP, context=careless_context())

    assert answer.startswith(b"HTTP/1.1 421 ")


async def test_a_client_without_http_gets_no_page_with_the_default_certificate(rig: Rig) -> None:
    client = await BareClient.connect(rig.https_port, "nobody.example.net")
    await client.shake_hands()
    await client.write(b"EHLO mail.example.net\r\n")

    assert await client.read_all() == b""
    client.close()


@pytest.mark.parametrize(
    ("data", "alert"),
    [
        (b"\x00garbage", Alert.UNEXPECTED_MESSAGE),
        (records(b"\x01\xff\xff\xff"), Alert.ILLEGAL_PARAMETER),
        (records(message(b"nonsense")), Alert.DECODE_ERROR),
        (hello(server_name(b"a\x00b.example")), Alert.UNRECOGNIZED_NAME),
        (hello(server_name(b"a.example", b"b.example")), Alert.ILLEGAL_PARAMETER),
        (hello(server_name(b"a.example"), versions(0x0301, 0x0302)), Alert.PROTOCOL_VERSION),
        (records(message(body(version=0x0301))), Alert.PROTOCOL_VERSION),
        (hello(server_name(b"a.example"), alpn(b"acme-tls/1")), Alert.NO_APPLICATION_PROTOCOL),
    ],
)
async def test_an_unacceptable_hello_gets_its_alert_and_the_connection_ends(
    rig: Rig, data: bytes, alert: Alert
) -> None:
    assert await rig.exchange(rig.https_port, data) == alert.record


async def test_an_alert_arrives_while_the_client_goes_on_sending(rig: Rig) -> None:
    flood = b"\x00" * 300_000

    assert await rig.exchange(rig.https_port, flood) == Alert.UNEXPECTED_MESSAGE.record


async def test_the_alert_of_openssl_for_a_failed_handshake_is_sent(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    no_groups = hello(server_name(SHOP.encode()), versions(0x0304), extension(13, b"\x00\x02\x04\x03"))

    answer = await rig.exchange(rig.https_port, no_groups)

    assert answer[:1] + answer[-2:] == b"\x15\x02\x6d"  # fatal, missing_extension (RFC 8446 section 9.2)


async def test_an_old_python_client_sees_protocol_version(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_min_proto_version(SSL.TLS1_1_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    client = await BareClient.connect(rig.https_port, SHOP, context=context)

    with pytest.raises(SSL.Error, match="protocol version"):
        await client.shake_hands()
    client.close()


async def test_plain_http_on_the_port_for_tls_is_answered_with_400(rig: Rig) -> None:
    answer = await rig.exchange(rig.https_port, b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_http_1_1_is_agreed_on_when_offered_and_nothing_else_is(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP))

    agreed = []
    for offered in (("h2", "http/1.1"), ("h2",), ()):
        _, writer = await rig.tls(SHOP, context=trusting_context(alpn=offered))
        agreed.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        writer.transport.abort()

    assert agreed == ["http/1.1", None, None]


async def test_the_lowest_version_of_a_domain_is_enforced(rig: Rig, issuer: Issuer) -> None:
    await rig.host(replace(issuer.domain(SHOP), terminate_tls={"min_version": "1.3"}))

    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        await rig.shown(SHOP, context=only(ssl.TLSVersion.TLSv1_2, trusting_context()))

    assert await rig.shown(SHOP) == leaf_of(rig, SHOP)


async def test_a_refused_key_fails_only_its_own_name_with_internal_error(rig: Rig, issuer: Issuer) -> None:
    await rig.host(issuer.domain(SHOP, certificate=issuer.certificate(OTHER)))
    await rig.host(issuer.domain(OTHER))

    with pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
        await rig.shown(SHOP)

    assert await rig.shown(OTHER) == leaf_of(rig, OTHER)


async def session_after(rig: Rig, name: str, version: ssl.TLSVersion, session: ssl.SSLSession | None) -> ssl.SSLObject:
    """Return the client after a request for *name* that offered *session*."""
    context = _contexts[version]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name, session=session)
    client = await BareClient.connect(rig.https_port, name)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            await client.send(outgoing.read())
            incoming.write(await client.receive())
    tls.write(b"GET / HTTP/1.1\r\nHost: x.example\r\n\r\n")
    await client.send(outgoing.read())
    while data := await client.receive():  # the tickets of TLS 1.3 come with the answer
        incoming.write(data)
    while True:
        try:
            if not tls.read():
                break
        except ssl.SSLError:
            break
    client.close()
    return tls


_contexts: dict[ssl.TLSVersion, ssl.SSLContext] = {}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_resumes_only_under_its_own_name(rig: Rig, issuer: Issuer, version: ssl.TLSVersion) -> None:
    _contexts[version] = only(version, trusting_context())
    async with upstream(web) as address:
        both = issuer.certificate(SHOP, OTHER)
        await rig.host(issuer.domain(SHOP, address, certificate=both))
        await rig.host(issuer.domain(OTHER, address, certificate=both))
        first = await session_after(rig, SHOP, version, None)

        again = await session_after(rig, SHOP, version, first.session)
        under_another = await session_after(rig, OTHER, version, first.session)

    assert first.session_reused is False
    assert again.session_reused is True
    assert under_another.session_reused is False


async def test_a_session_does_not_outlive_its_certificate(rig: Rig, issuer: Issuer) -> None:
    version = ssl.TLSVersion.TLSv1_2
    _contexts[version] = only(version, trusting_context())
    async with upstream(web) as address:
        await rig.host(issuer.domain(SHOP, address))
        first = await session_after(rig, SHOP, version, None)
        await rig.host(issuer.domain(SHOP, address))

        again = await session_after(rig, SHOP, version, first.session)

    assert again.session_reused is False
    assert again.getpeercert(binary_form=True) == leaf_of(rig, SHOP)


async def test_a_slow_hello_is_cut_off(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, handshake_seconds=0.3) as rig:
        assert await rig.exchange(rig.https_port, b"\x16\x03\x01") == b""


async def test_a_handshake_that_is_never_finished_is_cut_off(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, handshake_seconds=0.3) as rig:
        await rig.host(issuer.domain(SHOP))
        client = await BareClient.connect(rig.https_port, SHOP)
        await client.send(client.hello())
        while await client.receive():
            pass
        client.close()


async def test_a_client_does_not_wait_for_a_slow_store_beyond_its_deadline(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, handshake_seconds=0.3) as rig:
        rig.store.gate = asyncio.Event()

        assert await rig.exchange(rig.https_port, hello(server_name(SHOP.encode()))) == b""


async def test_too_many_unfinished_handshakes_end_the_oldest_and_not_the_newest(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, max_handshakes=5) as rig:
        await rig.host(issuer.domain(SHOP))
        idle = [await BareClient.connect(rig.https_port, SHOP) for _ in range(5)]

        assert await rig.shown(SHOP) == leaf_of(rig, SHOP)

        assert await idle[0].receive() == b""
        for client in idle:
            client.close()


async def test_connections_beyond_the_limit_are_closed_and_open_ones_continue(issuer: Issuer) -> None:
    async with running_node(MemoryStore(), issuer.reader, max_connections=1) as rig, upstream(web) as address:
        await rig.host(issuer.domain(SHOP, address))
        reader, writer = await rig.tls(SHOP)

        with pytest.raises(ConnectionError):
            await rig.tls(SHOP)
        writer.write(b"GET /still HTTP/1.1\r\n\r\n")

        assert (await reader.read()).endswith(b"GET /still HTTP/1.1")
        writer.transport.abort()
