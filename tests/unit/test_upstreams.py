"""Upstreams: which texts are accepted, and which addresses are never dialled."""

import pytest

from shared.upstreams import UpstreamRefusedError, parse


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("tcp://127.0.0.1:8080", "127.0.0.1", 8080),
        ("tcp://app.internal:80", "app.internal", 80),
        ("tcp://[2001:db8::1]:443", "2001:db8::1", 443),
        ("tcp://shop_app:3000", "shop_app", 3000),
    ],
)
def test_a_host_and_a_port_are_parsed(text: str, host: str, port: int) -> None:
    upstream = parse(text)

    assert (upstream.host, upstream.port) == (host, port)
    assert parse(str(upstream)) == upstream


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "upstream_scheme"),
        ("app:80", "upstream_scheme"),
        ("http://app:80", "upstream_scheme"),
        ("file:///etc/passwd", "upstream_scheme"),
        ("tcp://app", "upstream_malformed"),
        ("tcp://:80", "upstream_malformed"),
        ("tcp://app:0", "upstream_malformed"),
        ("tcp://app:99999", "upstream_malformed"),
        ("tcp://app:80/path", "upstream_malformed"),
        ("tcp://user:password@app:80", "upstream_malformed"),
        ("tcp://a b:80", "upstream_malformed"),
        ("tcp://[::1:80", "upstream_malformed"),
        ("tcp://169.254.169.254:80", "upstream_address"),
        ("tcp://[fe80::1]:80", "upstream_address"),
        ("tcp://[::ffff:169.254.169.254]:80", "upstream_address"),
        ("tcp://224.0.0.1:80", "upstream_address"),
        ("tcp://0.0.0.0:80", "upstream_address"),
        ("tcp://[::]:80", "upstream_address"),
        ("tcp://255.255.255.255:80", "upstream_address"),
    ],
)
def test_any_other_text_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(UpstreamRefusedError) as refusal:
        parse(text)

    assert refusal.value.reason.code == code
