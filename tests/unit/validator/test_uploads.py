"""Reading an upload without opening its bundle or key."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.validator.rules.uploads import MAX_ATTACHED, Upload, read, uncovered
from shared.events import Cause, CertificateUploaded
from shared.names import Name

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def an_upload(**fields: Any) -> Upload:
    data = {"certificate_id": "cert_1", "certificate_pem": "pem", "sealed": "AAAA", "intake_key_id": "k", **fields}
    return read(CertificateUploaded(**data), requested_at=NOW, cause=Cause("c"))


def codes(upload: Upload) -> list[tuple[str, str | None]]:
    return [(reason.code, reason.where) for reason in upload.reasons]


def test_a_good_upload_has_no_reason_against_it() -> None:
    upload = an_upload(attach=["Shop.Example.com", "*.bücher.example"])

    assert codes(upload) == []
    assert upload.sealed == b"\0\0\0"
    assert upload.attach == ("shop.example.com", "*.xn--bcher-kva.example")


@pytest.mark.parametrize("sealed", ["AAA", "AAAA\nAAAA", "AA-_", "ä", "A A A A", "===="])
def test_a_sealed_key_that_is_not_base64_is_a_reason(sealed: str) -> None:
    assert codes(an_upload(sealed=sealed)) == [("sealed_not_base64", "sealed")]


def test_every_text_that_is_no_name_is_a_reason_with_its_place() -> None:
    upload = an_upload(attach=["shop.example.com", "10.0.0.1", "a..b", "blog.example.com"], sealed="?")

    assert codes(upload) == [
        ("sealed_not_base64", "sealed"),
        ("attach_invalid_name", "attach 2"),
        ("attach_invalid_name", "attach 3"),
    ]


def test_a_repeated_name_counts_once() -> None:
    assert an_upload(attach=["shop.example.com", "SHOP.example.com."]).attach == ("shop.example.com",)


def test_too_many_domains_to_attach_to_are_a_reason() -> None:
    names = [f"shop-{number}.example.com" for number in range(MAX_ATTACHED + 1)]

    assert codes(an_upload(attach=names)) == [("attach_too_many", "attach")]
    assert codes(an_upload(attach=names[1:])) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant": "other"},
        {"certificate_pem": "other"},
        {"sealed": "AAAB"},
        {"intake_key_id": "other"},
        {"attach": ["shop.example.com"]},
        {"description": "other"},
        {"metadata": "other"},
    ],
)
def test_a_difference_in_any_field_makes_another_content(fields: dict[str, Any]) -> None:
    assert an_upload(**fields).content_sha256 != an_upload().content_sha256


def test_defaults_do_not_change_the_content() -> None:
    assert an_upload(description="").content_sha256 == an_upload(attach=[]).content_sha256


def test_neither_bundle_nor_sealed_key_is_in_a_repr() -> None:
    upload = an_upload(certificate_pem="the bundle", sealed="c2VjcmV0")

    assert "the bundle" not in repr(upload)
    assert "secret" not in repr(upload)


def test_the_reason_lists_the_covered_and_the_uncovered_names() -> None:
    attach = [Name("a.example.com"), Name("a.b.example.com"), Name("example.org")]

    reason = uncovered(attach, ["*.example.com", "example.com"])

    assert reason is not None
    assert (reason.code, reason.where) == ("attach_not_covered", "attach")
    assert "*.example.com, example.com" in reason.message
    assert "not for a.b.example.com, example.org;" in reason.message


def test_covered_names_are_no_reason() -> None:
    assert uncovered([Name("a.example.com"), Name("*.example.com")], ["*.example.com"]) is None
    assert uncovered([], ["example.com"]) is None
