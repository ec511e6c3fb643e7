"""The rules for the names of a leaf, and for the domains that they cover."""

import ipaddress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.builders.judging import der
from tests.builders.judging.certificates import HOST, issue, unknown
from tests.builders.judging.leaves import ROOT, examined, reasons, warned

pytestmark = pytest.mark.filterwarnings("ignore")  # `judge` suppresses cryptography's warnings


@pytest.mark.parametrize(
    "name",
    [
        HOST,
        "SHOP.Example.COM",
        "localhost",
        "mail.corp.internal",
        "*.example.com",
        "*.intranet.local",
        "*.s3.amazonaws.com",
        "xn--bcher-kva.example",
        "xn--n3h.com",
        "0.example",
        "a" * 63 + ".example",
        ".".join(["a" * 61] * 4) + ".ab",
    ],
)
def test_a_host_name_is_accepted(name: str) -> None:
    assert reasons(issue(by=ROOT, names=[name])) == set()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "leaf_bad_name"),
        (" ", "leaf_bad_name"),
        (".", "leaf_bad_name"),
        (".example.com", "leaf_bad_name"),
        ("example.com.", "leaf_bad_name"),
        ("shop..example.com", "leaf_bad_name"),
        ("shop example.com", "leaf_bad_name"),
        ("shop.example.com\0.evil.example", "leaf_bad_name"),
        ("https://shop.example.com", "leaf_bad_name"),
        ("shop.example.com:443", "leaf_bad_name"),
        ("-shop.example.com", "leaf_bad_name"),
        ("shop-.example.com", "leaf_bad_name"),
        ("8.8.8.8", "leaf_bad_name"),
        ("2001:db8::1", "leaf_bad_name"),
        ("a" * 64 + ".example", "leaf_bad_name"),
        (".".join(["a" * 61] * 4) + ".example", "leaf_bad_name"),
        ("*", "leaf_bad_wildcard"),
        ("*.", "leaf_bad_wildcard"),
        ("*.com", "leaf_bad_wildcard"),
        ("*.co.uk", "leaf_bad_wildcard"),
        ("*shop.example.com", "leaf_bad_wildcard"),
        ("sh*p.example.com", "leaf_bad_wildcard"),
        ("shop.*.example.com", "leaf_bad_wildcard"),
        ("*.*.example.com", "leaf_bad_wildcard"),
        ("xn--*-1b3c148a.example.com", "leaf_bad_wildcard"),
    ],
)
def test_an_invalid_name_is_refused_even_next_to_a_good_one(name: str, code: str) -> None:
    assert reasons(issue(by=ROOT, names=[HOST, x509.DNSName(name)])) == {code}


def test_a_name_in_unicode_is_refused() -> None:
    names = der.sequence(der.tlv(0x82, "bücher.example".encode()), der.tlv(0x82, HOST.encode()))

    found = reasons(issue(by=ROOT, extensions={x509.SubjectAlternativeName: (unknown("2.5.29.17", names), False)}))

    assert found in ({"leaf_malformed"}, {"leaf_bad_name"})


def test_an_underscore_is_accepted_only_next_to_a_name_that_can_be_served() -> None:
    both = issue(by=ROOT, names=[HOST, "my_host.example.com"])
    alone = issue(by=ROOT, names=["my_host.example.com"])

    assert (reasons(both), warned(both)) == (set(), {"name_unusable"})
    assert reasons(alone) == {"leaf_no_usable_name"}


def test_mailboxes_and_uris_alone_are_no_usable_names() -> None:
    other = [x509.RFC822Name("a@example.com"), x509.UniformResourceIdentifier("spiffe://example.com/shop")]

    assert reasons(issue(by=ROOT, names=other)) == {"leaf_no_usable_name"}
    assert reasons(issue(by=ROOT, names=[*other, HOST])) == set()


def test_addresses_alone_are_accepted_with_a_warning() -> None:
    issued = issue(by=ROOT, names=["192.0.2.1", "2001:db8::1"])

    assert (reasons(issued), warned(issued)) == (set(), {"addresses_only"})


@pytest.mark.parametrize("domain", ["192.0.2.1", "2001:db8::1", "2001:DB8:0::1"])
def test_an_address_is_covered_by_itself(domain: str) -> None:
    assert reasons(issue(by=ROOT, names=["192.0.2.1", "2001:db8::1"]), domain=domain) == set()


@pytest.mark.parametrize("domain", ["192.0.2.2", "::1", HOST])
def test_another_address_is_not_covered(domain: str) -> None:
    assert reasons(issue(by=ROOT, names=["192.0.2.1"]), domain=domain) == {"domain_not_covered"}


@pytest.mark.parametrize(
    ("names", "domain", "is_covered"),
    [
        (["*.example.com"], "shop.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], "a.shop.example.com", False),
        (["*.example.com"], "*.example.com", True),
        (["SHOP.example.com"], "shop.example.com", True),
        (["shop.example.com"], "www.shop.example.com", False),
        (["shop.example.com"], "example.com", False),
        (["xn--bcher-kva.example"], "xn--bcher-kva.example", True),
    ],
)
def test_a_domain_is_covered_as_clients_match_names(names: list[str], domain: str, *, is_covered: bool) -> None:
    assert ("domain_not_covered" not in reasons(issue(by=ROOT, names=names), domain=domain)) == is_covered


def test_an_uncovered_domain_is_reported_with_the_names_that_are_covered() -> None:
    (finding,) = examined(issue(by=ROOT, names=["a.example.com", "b.example.com"]), domain="c.example.com")

    assert finding.message == (
        "certificate 1 (CN=shop.example.com) does not cover c.example.com; it covers a.example.com, b.example.com. Have"
        " one issued for that domain"
    )


def test_a_common_name_alone_is_refused() -> None:
    nameless = issue(HOST, by=ROOT, extensions={x509.SubjectAlternativeName: None})

    assert reasons(nameless, domain=HOST) == {"leaf_no_names"}


def test_more_than_2000_names_are_refused() -> None:
    many = issue(by=ROOT, names=[f"h{number}.example.com" for number in range(2001)])

    assert reasons(many) == {"leaf_too_many_names"}


@given(st.binary(max_size=80))
def test_random_content_of_the_names_is_refused_without_an_error(content: bytes) -> None:
    issued = issue(by=ROOT, extensions={x509.SubjectAlternativeName: (unknown("2.5.29.17", content), False)})

    assert reasons(issued, domain=HOST) != set()


def test_a_network_in_the_names_does_not_cover_an_address() -> None:
    network = der.sequence(der.tlv(0x87, ipaddress.ip_network("192.0.2.0/24").network_address.packed + bytes(4)))

    issued = issue(by=ROOT, extensions={x509.SubjectAlternativeName: (unknown("2.5.29.17", network), False)})

    assert reasons(issued, domain="192.0.2.0") != set()
