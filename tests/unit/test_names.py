"""Domain names: the normalized form, and the reason for each refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.names import NameRefusedError, is_wildcard, normalize, parent_wildcard, registered_domain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop.example.com", "shop.example.com"),
        ("Shop.Example.COM.", "shop.example.com"),
        ("*.App.example.com", "*.app.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("BÜCHER.example.com", "xn--bcher-kva.example.com"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        ("straße.de", "xn--strae-oqa.de"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("me.github.io", "me.github.io"),
        ("a--b.example.com", "a--b.example.com"),
    ],
)
def test_a_name_is_stored_in_its_a_label_form(text: str, expected: str) -> None:
    assert normalize(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "name_empty"),
        ("   ", "name_empty"),
        ('"; DROP TABLE', "name_characters"),
        ("a" * 300, "name_too_long"),
        ("a" * 64 + ".example.com", "name_label_too_long"),
        ("a" * 100_000, "name_too_long"),
        ("192.0.2.7", "name_is_address"),
        ("192.0.2.7.", "name_is_address"),
        ("2001:db8::1", "name_is_address"),
        ("[2001:db8::1]", "name_is_address"),
        ("_dmarc.example.com", "name_underscore"),
        ("a.*.example.com", "name_wildcard_position"),
        ("*.*.example.com", "name_wildcard_position"),
        ("*shop.example.com", "name_wildcard_position"),
        ("co.uk", "name_public_suffix"),
        ("*.co.uk", "name_public_suffix"),
        ("github.io", "name_public_suffix"),
        ("com", "name_public_suffix"),
        ("shop..example.com", "name_empty_label"),
        (".example.com", "name_empty_label"),
        ("-shop.example.com", "name_characters"),
        ("shop.example.com/path", "name_characters"),
        ("https://shop.example.com", "name_characters"),
        ("shop example.com", "name_characters"),
        ("shop\x00.example.com", "name_characters"),
        ("localhost", "name_not_public"),
        ("printer.local", "name_not_public"),
        ("1.2.3", "name_not_public"),
        ("xn--zzzzzzz99999.example.com", "name_not_idna"),
    ],
)
def test_a_name_that_no_certificate_can_have_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(NameRefusedError) as refusal:
        normalize(text)

    assert refusal.value.reason.code == code
    assert len(refusal.value.reason.message) < 400


@given(st.text(max_size=300))
def test_any_text_is_either_normalized_or_refused(text: str) -> None:
    try:
        name = normalize(text)
    except NameRefusedError:
        return

    assert normalize(name) == name
    assert name.isascii()
    assert name == name.lower()
    assert len(name) <= 255


def test_a_wildcard_covers_one_label() -> None:
    assert is_wildcard("*.example.com")
    assert parent_wildcard("shop.example.com") == "*.example.com"
    assert parent_wildcard("com") is None


@pytest.mark.parametrize(
    ("name", "registered"),
    [("a.b.example.co.uk", "example.co.uk"), ("*.example.com", "example.com"), ("x.me.github.io", "me.github.io")],
)
def test_the_registered_domain_is_the_public_suffix_and_one_label(name: str, registered: str) -> None:
    assert registered_domain(name) == registered
