"""Name constraints: the names that an authority allows below itself."""

import ipaddress
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from shared.judging.chain.constraints import MAX_COMPARISONS, Violation, check, comparisons, malformed, violations
from tests.builders.judging import der
from tests.builders.judging.certificates import HOST, Issued, alternatives, authority, constraints, issue, named

NET4 = ipaddress.ip_network("192.0.2.0/24")
NET6 = ipaddress.ip_network("2001:db8::/32")
ALL4 = ipaddress.ip_network("0.0.0.0/0")
ALL6 = ipaddress.ip_network("::/0")
PRINCIPAL = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def named_for(*names: Any, subject: x509.Name | None = None) -> x509.Certificate:
    empty = x509.Name([])
    return issue(empty if subject is None else subject, names=names).certificate


def _mailbox(text: str) -> x509.RFC822Name:
    """Return a mailbox without validating it, as when it is read from a certificate."""
    return x509.RFC822Name._init_without_validation(text)


def allows(limits: x509.NameConstraints, certificate: x509.Certificate) -> bool:
    try:
        check(limits, certificate)
    except Violation:
        return False
    return True


@pytest.mark.parametrize(
    ("subtree", "name", "is_permitted", "is_excluded"),
    [
        ("example.com", "example.com", True, True),
        ("example.com", "shop.example.com", True, True),
        ("example.com", "a.shop.example.com", True, True),
        ("EXAMPLE.com", "shop.Example.COM", True, True),
        ("example.com", "notexample.com", False, False),
        ("example.com", "example.com.evil.test", False, False),
        ("shop.example.com", "example.com", False, False),
        (".example.com", "shop.example.com", True, True),
        (".example.com", "example.com", False, False),
        ("", "example.com", True, True),
        # a wildcard covers every name with one more label
        ("example.com", "*.example.com", True, True),
        ("example.com", "*.shop.example.com", True, True),
        (".example.com", "*.example.com", True, True),
        ("", "*.example.com", True, True),
        ("shop.example.com", "*.example.com", False, True),
        (".shop.example.com", "*.example.com", False, False),
        ("a.shop.example.com", "*.example.com", False, False),
        ("example.org", "*.example.com", False, False),
        ("com", "*.example.com", True, True),
    ],
)
def test_a_dns_name_is_compared_with_a_subtree(
    subtree: str, name: str, *, is_permitted: bool, is_excluded: bool
) -> None:
    certificate = named_for(x509.DNSName(name))

    assert allows(constraints(permitted=[x509.DNSName(subtree)]), certificate) == is_permitted
    assert allows(constraints(excluded=[x509.DNSName(subtree)]), certificate) == (not is_excluded)


@pytest.mark.parametrize(
    ("subtree", "name", "is_within"),
    [
        (NET4, "192.0.2.1", True),
        (NET4, "192.0.3.1", False),
        (NET4, "2001:db8::1", None),
        (NET6, "2001:db8:ffff::1", True),
        (NET6, "2001:db9::1", False),
        (NET6, "192.0.2.1", None),
        (ALL4, "203.0.113.7", True),
        (ALL6, "::1", True),
    ],
)
def test_an_address_is_compared_with_a_network(subtree: Any, name: str, *, is_within: bool | None) -> None:
    certificate = named_for(name)

    assert allows(constraints(permitted=[subtree]), certificate) == bool(is_within)
    assert allows(constraints(excluded=[subtree]), certificate) == (not is_within)


@pytest.mark.parametrize(
    ("subtree", "name", "is_within"),
    [
        ("example.com", "a@example.com", True),
        ("example.com", "a@mail.example.com", False),
        (".example.com", "a@mail.example.com", True),
        (".example.com", "a@example.com", False),
        ("a@example.com", "A@example.com", True),
        ("a@example.com", "b@example.com", False),
    ],
)
def test_a_mailbox_is_compared_with_a_subtree(subtree: str, name: str, *, is_within: bool) -> None:
    certificate = named_for(HOST, x509.RFC822Name(name))

    assert allows(constraints(permitted=[x509.RFC822Name(subtree)]), certificate) == is_within
    assert allows(constraints(excluded=[x509.RFC822Name(subtree)]), certificate) == (not is_within)


@pytest.mark.parametrize(
    ("subtree", "name", "is_within"),
    [
        ("example.com", "spiffe://example.com/shop", True),
        ("example.com", "https://user@EXAMPLE.com:8443/", True),
        ("example.com", "https://shop.example.com/", False),
        (".example.com", "https://shop.example.com/", True),
        (".example.com", "https://example.com/", False),
    ],
)
def test_a_uri_is_compared_by_its_host(subtree: str, name: str, *, is_within: bool) -> None:
    certificate = named_for(HOST, x509.UniformResourceIdentifier(name))
    limit = x509.UniformResourceIdentifier(subtree)

    assert allows(constraints(permitted=[limit]), certificate) == is_within
    assert allows(constraints(excluded=[limit]), certificate) == (not is_within)


@pytest.mark.parametrize(
    "uri", ["urn:uuid:1", "https:///path", "https://192.0.2.1/", "https://[::1]/", "https://[/", ""]
)
def test_a_constrained_uri_without_a_host_name_is_forbidden(uri: str) -> None:
    certificate = named_for(HOST, x509.UniformResourceIdentifier(uri))

    assert not allows(constraints(permitted=[x509.UniformResourceIdentifier("example.com")]), certificate)
    assert not allows(constraints(excluded=[x509.UniformResourceIdentifier("example.com")]), certificate)


@pytest.mark.parametrize(
    ("subtree", "name", "is_within"),
    [
        (x509.Name([]), named("shop", O="Shop"), True),
        (named_o := x509.Name(named("x", O="Shop").rdns[:1]), named("shop", O="Shop"), True),
        (named_o, named("shop", O="  sHOP "), True),
        (named_o, named("shop", O="Other"), False),
        (named_o, named("shop"), False),
        (named("shop", O="Shop"), named_o, False),
    ],
)
def test_a_subject_is_compared_with_a_directory_name(subtree: x509.Name, name: x509.Name, *, is_within: bool) -> None:
    limit = x509.DirectoryName(subtree)

    for certificate in (named_for(HOST, subject=name), named_for(HOST, x509.DirectoryName(name))):
        assert allows(constraints(permitted=[limit]), certificate) == is_within
        assert allows(constraints(excluded=[limit]), certificate) == (not is_within)


def test_a_mailbox_in_the_subject_counts_if_there_is_no_subject_alt_name() -> None:
    bare = issue(x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com")]), names=()).certificate

    assert allows(constraints(permitted=[x509.RFC822Name("example.com")]), bare)
    assert not allows(constraints(excluded=[x509.RFC822Name("example.com")]), bare)


@pytest.mark.parametrize("mailbox", ["nobody", "a@b@example.com", "@example.com"])
def test_a_malformed_mailbox_is_forbidden_where_mailboxes_are_constrained(mailbox: str) -> None:
    certificate = named_for(HOST, _mailbox(mailbox))

    assert not allows(constraints(excluded=[x509.RFC822Name("example.org")]), certificate)


def test_an_excluded_name_stays_excluded_even_if_it_is_permitted() -> None:
    limits = constraints(permitted=["example.com"], excluded=["shop.example.com"])

    assert not allows(limits, named_for(HOST))
    assert allows(limits, named_for("www.example.com"))


def test_a_name_of_a_kind_without_constraints_is_allowed() -> None:
    assert allows(constraints(permitted=[NET4]), named_for(HOST))
    assert allows(constraints(excluded=[NET4]), named_for(HOST))


@pytest.mark.parametrize("side", ["permitted", "excluded"])
def test_a_constrained_name_that_cannot_be_compared_is_forbidden(side: str) -> None:
    number, principal = x509.RegisteredID(PRINCIPAL), x509.OtherName(PRINCIPAL, der.tlv(0x0C, b"u"))

    for name in (number, principal):
        assert not allows(constraints(**{side: [name]}), named_for(HOST, name))
        assert allows(constraints(**{side: [name]}), named_for(HOST))


def test_a_violation_says_which_name_and_which_constraint() -> None:
    with pytest.raises(Violation, match=r"^shop\.example\.com is not among the names it permits \(example\.org\)$"):
        check(constraints(permitted=["example.org"]), named_for(HOST))
    with pytest.raises(Violation, match=r"^shop\.example\.com is among the names it excludes \(example\.com\)$"):
        check(constraints(excluded=["example.com"]), named_for(HOST))


def path(*, root: Any = None, middle: Any = None, leaf: str = HOST) -> list[x509.Certificate]:
    top = authority("Root", more=[] if root is None else [(root, True)])
    inter = authority("Inter", by=top, more=[] if middle is None else [(middle, True)])
    return [issued.certificate for issued in (issue(by=inter, names=[leaf]), inter, top)]


def test_the_constraints_of_every_authority_above_apply() -> None:
    forbidden = constraints(excluded=[HOST])

    assert [found[:2] for found in violations(path(root=forbidden))] == [(0, 2)]
    assert [found[:2] for found in violations(path(middle=forbidden))] == [(0, 1)]


def test_a_lower_authority_cannot_permit_more_than_a_higher_one() -> None:
    both = path(
        root=constraints(permitted=["example.org"]), middle=constraints(permitted=["example.com", "example.org"])
    )

    assert [(below, above) for below, above, _ in violations(both)] == [(0, 2)]


def test_a_self_issued_authority_in_between_is_not_constrained() -> None:
    top = authority("Root", more=[(constraints(permitted=["example.com"]), True)])
    renewed = authority("Root", by=top, key=authority("Other").key, more=[(alternatives("example.org"), False)])
    line: list[Issued] = [issue(by=renewed), renewed, top]

    assert list(violations([issued.certificate for issued in line])) == []


@pytest.mark.parametrize(
    ("limits", "is_fine"),
    [
        (constraints(permitted=["example.com", "", ".example.com", "my_host.example"]), True),
        (constraints(excluded=[NET4, ALL6]), True),
        (constraints(permitted=[x509.DNSName("exa mple.com")]), False),
        (constraints(permitted=[x509.DNSName("example..com")]), False),
        (constraints(excluded=[x509.DNSName("example.com.")]), False),
        (constraints(permitted=[_mailbox("*@example.com"), x509.RFC822Name(".example.com")]), True),
        (constraints(permitted=[_mailbox("a@b@example.com")]), False),
        (constraints(permitted=[_mailbox("@example.com")]), False),
        (constraints(permitted=[_mailbox("exa mple.com")]), False),
    ],
)
def test_a_malformed_constraint_is_recognised(limits: x509.NameConstraints, *, is_fine: bool) -> None:
    assert (malformed(limits) is None) == is_fine


def test_the_number_of_comparisons_is_known_in_advance() -> None:
    few = path(root=constraints(permitted=["example.com"] * 10), middle=constraints(excluded=["example.org"] * 5))
    top = authority("Root", more=[(constraints(excluded=[f"h{number}.test" for number in range(400)]), True)])
    many = issue(by=top, names=[f"h{number}.example" for number in range(400)])

    assert comparisons(few) == 5 * 2 + 10 * (2 + 1)
    assert comparisons([many.certificate, top.certificate]) > MAX_COMPARISONS


LABELS = st.lists(st.sampled_from(["a", "b", "example", "com"]), min_size=1, max_size=4).map(".".join)


@given(name=LABELS, wildcard=st.booleans(), subtree=LABELS)
def test_a_wildcard_is_judged_like_the_names_that_it_covers(name: str, subtree: str, *, wildcard: bool) -> None:
    stand_ins = [f"{label}.{name}" for label in ("a", "b", "example", "com", "zzz")] if wildcard else [name]
    certificate = named_for(x509.DNSName(f"*.{name}" if wildcard else name))

    within = [host == subtree or host.endswith(f".{subtree}") for host in stand_ins]

    assert allows(constraints(permitted=[subtree]), certificate) == all(within)
    assert allows(constraints(excluded=[subtree]), certificate) == (not any(within))
