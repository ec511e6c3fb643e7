"""Uploads sealed to the intake open only with their own event."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PublicKey, SealedBox

from shared.errors import SealError
from shared.vault import SealedUpload, UploadReader, UploadWriter
from shared.vault.rings import utc_now
from tests.builders.rings import joined, oldest_of, vault_pair

SECRET, PUBLIC = vault_pair("intake", keys=2, retired=1)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BUNDLE = b"-----BEGIN CERTIFICATE-----"
KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n"
READER = UploadReader(SECRET)
ENVELOPE = {
    "format": 1,
    "certificate_id": "cert_1",
    "tenant": "acme",
    "bundle_sha256": "5c4ce0a4b6c3a7b8" * 4,
    "expires_at": "2026-11-21T12:00:00+00:00",
    "private_key_pem": KEY,
}


def seal(**differing: Any) -> SealedUpload:
    upload = {
        "certificate_id": "cert_1",
        "tenant": "acme",
        "bundle": BUNDLE,
        "expires_at": NOW + timedelta(hours=1),
        "private_key_pem": KEY,
    }
    return UploadWriter(PUBLIC).seal(**{**upload, **differing})


def unseal(sealed: SealedUpload, **differing: Any) -> str:
    event = {"certificate_id": "cert_1", "tenant": "acme", "bundle": BUNDLE, "now": NOW}
    return READER.open(sealed, **{**event, **differing})


def sealed_raw(content: bytes) -> SealedUpload:
    box = SealedBox(PublicKey(PUBLIC.current_at(utc_now()).material))
    return SealedUpload(intake_key_id=PUBLIC.current_at(utc_now()).id, ciphertext=box.encrypt(content))


def test_an_upload_opens_with_its_own_event() -> None:
    assert unseal(seal()) == KEY


@pytest.mark.parametrize(
    ("differing", "message"),
    [
        ({"certificate_id": "cert_2"}, "another certificate_id"),
        ({"tenant": "other"}, "another tenant"),
        ({"bundle": BUNDLE + b"\n"}, "bundle_sha256"),
        ({"now": NOW + timedelta(hours=1)}, "expired at 2026-11-20T13:00:00"),
    ],
)
def test_an_upload_opens_with_no_other_event_and_not_after_its_expiry(differing: dict[str, Any], message: str) -> None:
    with pytest.raises(SealError, match=message):
        unseal(seal(), **differing)


def test_an_upload_sealed_to_a_retired_key_still_opens() -> None:
    sealed = UploadWriter(oldest_of(PUBLIC)).seal(
        certificate_id="cert_1", tenant="acme", bundle=BUNDLE, expires_at=NOW + timedelta(hours=1), private_key_pem=KEY
    )

    assert sealed.intake_key_id == "intake-0"
    assert unseal(sealed) == KEY


def test_an_unknown_intake_key_is_named() -> None:
    with pytest.raises(SealError, match="'intake-9'"):
        unseal(SealedUpload(intake_key_id="intake-9", ciphertext=seal().ciphertext))


def test_an_upload_sealed_to_another_key_does_not_open() -> None:
    other_secret, _ = vault_pair("intake", keys=2)

    with pytest.raises(SealError, match="cannot be opened"):
        UploadReader(joined(other_secret)).open(seal(), certificate_id="cert_1", tenant="acme", bundle=BUNDLE, now=NOW)


@given(st.binary(max_size=300))
def test_random_bytes_instead_of_a_sealed_box_are_refused(ciphertext: bytes) -> None:
    with pytest.raises(SealError):
        unseal(SealedUpload(intake_key_id=PUBLIC.current_at(utc_now()).id, ciphertext=ciphertext))


@given(st.binary(max_size=300))
def test_random_bytes_in_a_sealed_box_are_refused(content: bytes) -> None:
    with pytest.raises(SealError, match="format 1"):
        unseal(sealed_raw(content))


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in ENVELOPE),
        {"format": 2},
        {"format": "1"},
        {"surplus": True},
        {"expires_at": "2026-11-21T12:00:00"},
        {"expires_at": "soon"},
        {"private_key_pem": "x" * 32_769},
    ],
)
def test_an_envelope_with_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SealError, match=f"see {next(iter(change))}"):
        unseal(sealed_raw(json.dumps({**ENVELOPE, **change}).encode()))


@pytest.mark.parametrize("missing", ENVELOPE)
def test_an_envelope_that_lacks_a_field_is_refused(missing: str) -> None:
    envelope = {name: value for name, value in ENVELOPE.items() if name != missing}

    with pytest.raises(SealError, match=missing):
        unseal(sealed_raw(json.dumps(envelope).encode()))


def test_a_sealed_box_that_is_too_large_is_not_opened() -> None:
    with pytest.raises(SealError, match="at most 49152"):
        unseal(sealed_raw(b" " * 50_000))


def test_an_error_does_not_show_the_key() -> None:
    broken = {**ENVELOPE, "private_key_pem": [KEY]}

    with pytest.raises(SealError) as caught:
        unseal(sealed_raw(json.dumps(broken).encode()))

    assert "PRIVATE" not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", [KEY, "MC4CAQAwBQYDK2VwBCIEIA", "a\x00b", "x" * 10_000, ""])
def test_an_error_shows_only_plain_names_of_fields(name: str) -> None:
    with pytest.raises(SealError, match=r"see an odd name$"):
        unseal(sealed_raw(json.dumps({**ENVELOPE, name: True}).encode()))
