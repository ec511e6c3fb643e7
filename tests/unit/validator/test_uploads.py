"""Reading an upload: what can be seen of it without opening anything."""

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


def test_a_good_one_has_nothing_against_it() -> None:
    upload = an_upload(attach=["Shop.Example.com", "*.bücher.example"])

    assert codes(upload) == []
    assert upload.sealed == b"\0\0\0"
    assert upload.attach == ("shop.example.com", "*.xn--bcher-kva.example")


@pytest.mark.parametrize("sealed", ["AAA", "AAAA\nAAAA", "AA-_", "ä", "A A A A", "===="])
def test_a_sealed_key_that_is_not_base64_is_told(sealed: str) -> None:
    assert codes(an_upload(sealed=sealed)) == [("sealed_not_base64", "sealed")]


def test_every_name_that_is_none_is_told_with_its_place() -> None:
    upload = an_upload(attach=["shop.example.com", "10.0.0.1", "a..b", "blog.example.com"], sealed="?")

    assert codes(upload) == [
        ("sealed_not_base64", "sealed"),
        ("attach_invalid_name", "attach 2"),
        ("attach_invalid_name", "attach 3"),
    ]


def test_a_name_that_is_there_twice_counts_once() -> None:
    assert an_upload(attach=["shop.example.com", "SHOP.example.com."]).attach == ("shop.example.com",)


def test_more_domains_than_one_upload_may_be_attached_to_are_refused() -> None:
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
def test_whatever_differs_makes_another_content(fields: dict[str, Any]) -> None:
    assert an_upload(**fields).content_sha256 != an_upload().content_sha256


def test_the_same_told_twice_is_the_same_content() -> None:
    assert an_upload(description="").content_sha256 == an_upload(attach=[]).content_sha256


def test_neither_bundle_nor_sealed_key_is_in_a_repr() -> None:
    upload = an_upload(certificate_pem="the bundle", sealed="c2VjcmV0")

    assert "the bundle" not in repr(upload)
    assert "secret" not in repr(upload)


def test_names_that_a_certificate_does_not_cover_are_shown_with_those_that_it_does() -> None:
    attach = [Name("a.example.com"), Name("a.b.example.com"), Name("example.org")]

    reason = uncovered(attach, ["*.example.com", "example.com"])

    assert reason is not None
    assert (reason.code, reason.where) == ("attach_not_covered", "attach")
    assert "*.example.com, example.com" in reason.message
    assert "not for a.b.example.com, example.org;" in reason.message


def test_names_that_a_certificate_covers_are_no_reason() -> None:
    assert uncovered([Name("a.example.com"), Name("*.example.com")], ["*.example.com"]) is None
    assert uncovered([], ["example.com"]) is None
