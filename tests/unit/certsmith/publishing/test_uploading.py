"""Uploads from the command line: which are sent, which are not, and that the key is never shown."""

import base64
import io
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from certsmith.failures import CommandError, failure_of
from certsmith.publishing.uploading import (
    MAX_BUNDLE_BYTES,
    MAX_KEY_BYTES,
    CertificateAndKey,
    UploadOptions,
    read_certificate_and_key,
    require_acceptable,
    upload_event,
)
from certsmith.rotation import generation
from dev.certificates import Authority
from shared.errors import RefusedError, SealError, SettingsError
from shared.events import CertificateUploaded
from shared.vault import KeyFiles
from shared.vault.intake import SealedUpload

HOST = "shop.example.com"
CERTIFICATE, KEY = Authority.create("A customer's own").issue(HOST, "www.shop.example.com")
PAIR = CertificateAndKey(bundle=CERTIFICATE, key=KEY)
KEY_LINE = KEY.decode().splitlines()[1]


pytestmark = pytest.mark.usefixtures("keys")


def wanted(**more: Any) -> UploadOptions:
    values: dict[str, Any] = {
        "certificate_id": None,
        "tenant": "",
        "attach": (),
        "description": None,
        "metadata": None,
        "lifetime": timedelta(hours=24),
    }
    return UploadOptions(**{**values, **more})


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyFiles:
    """Return all key rings, in the folder where the command line looks for them."""
    folder = tmp_path / "keys"
    generation.generate(folder)
    monkeypatch.setenv("CERTSMITH_KEYS_DIR", str(folder))
    return KeyFiles(keys_dir=folder)


@pytest.fixture
def standard_input() -> Iterator[io.BytesIO]:
    """Yield what is standard input for as long as the test runs."""
    before, stream = sys.stdin, io.BytesIO()
    sys.stdin = SimpleNamespace(buffer=stream)  # the only attribute that is used
    yield stream
    sys.stdin = before


def sealed_in(data: CertificateUploaded) -> SealedUpload:
    return SealedUpload(intake_key_id=data.intake_key_id, ciphertext=base64.b64decode(data.sealed))


def test_the_validator_opens_the_sealed_key_for_this_upload_only(keys: KeyFiles) -> None:
    event = upload_event(PAIR, wanted(tenant="acme"))
    data, reader = event.data, keys.upload_reader()
    assert isinstance(data, CertificateUploaded)
    this = {"certificate_id": data.certificate_id, "tenant": "acme", "bundle": data.certificate_pem.encode()}
    now = datetime.now(UTC)

    opened = reader.open(sealed_in(data), now=now, **this)  # type: ignore[arg-type]

    assert opened.encode() == KEY
    with pytest.raises(SealError, match="another tenant"):
        reader.open(sealed_in(data), now=now, **{**this, "tenant": ""})  # type: ignore[arg-type]
    with pytest.raises(SealError, match="expired"):
        reader.open(sealed_in(data), now=now + timedelta(hours=25), **this)  # type: ignore[arg-type]


def test_an_upload_has_only_the_given_fields() -> None:
    event = upload_event(PAIR, wanted(attach=["SHOP.example.com."], metadata="m", certificate_id="cert_mine"))

    assert event.subject == "cert_mine"
    assert event.payload.keys() == {
        "certificate_id",
        "certificate_pem",
        "sealed",
        "intake_key_id",
        "attach",
        "metadata",
    }
    assert event.payload["attach"] == [HOST]


def test_an_upload_without_an_id_gets_a_new_one() -> None:
    events = [upload_event(PAIR, wanted()) for _ in range(2)]

    assert len({event.subject for event in events}) == 2
    assert all(event.subject.startswith("cert_") for event in events)


def test_an_upload_published_again_has_the_same_correlation_id() -> None:
    event = upload_event(PAIR, wanted(), event_id="again")

    assert (event.id, event.cause.correlation_id) == ("again", "again")


def test_the_key_is_shown_nowhere() -> None:
    event = upload_event(PAIR, wanted())

    assert KEY_LINE not in repr(PAIR) + repr(event) + json.dumps(event.payload)


@pytest.mark.parametrize(
    ("pair", "more", "code"),
    [
        (PAIR, {"certificate_id": "mine"}, "invalid_field"),
        (PAIR, {"attach": ["192.0.2.1"]}, "name_is_address"),
        (CertificateAndKey(bundle=CERTIFICATE + KEY, key=KEY), {}, "key_in_the_clear"),
        (CertificateAndKey(bundle=KEY, key=CERTIFICATE), {}, "key_in_the_clear"),
        (PAIR, {"description": KEY.decode()[:250]}, "key_in_the_clear"),
    ],
)
def test_a_request_that_a_service_would_refuse_is_not_sent(
    pair: CertificateAndKey, more: dict[str, Any], code: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        upload_event(pair, wanted(**more))

    assert [reason.code for reason in caught.value.reasons] == [code]
    assert "compromised" not in str(caught.value)  # the key has not left the machine
    assert KEY_LINE not in str(caught.value)


@pytest.mark.parametrize("name", ["bundle", "key"])
def test_a_file_that_is_not_text_is_refused(name: str) -> None:
    contents = {"bundle": CERTIFICATE, "key": KEY, name: b"0\x82\x01\xff"}

    with pytest.raises(CommandError, match=f"--{name}: this is not PEM text"):
        upload_event(CertificateAndKey(**contents), wanted())


def test_without_the_intakes_public_key_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAKE_PUBLIC_FILE", str(tmp_path / "nowhere.json"))

    with pytest.raises(SettingsError, match=r"nowhere\.json"):
        upload_event(PAIR, wanted())


def test_a_matching_pair_is_acceptable() -> None:
    require_acceptable(PAIR, [HOST])


def test_a_pair_that_would_be_rejected_is_refused_with_all_reasons_one_a_line() -> None:
    other = Authority.create("Another").issue("*.other.example")[1]

    with pytest.raises(RefusedError) as caught:
        require_acceptable(CertificateAndKey(bundle=b"nothing", key=other), [])

    first, *rest = failure_of(caught.value).message.splitlines()
    assert first == "this would be rejected, so nothing was sent"
    assert rest == [f"{reason.message} ({reason.code})" for reason in caught.value.reasons]
    assert rest


def test_a_domain_that_is_not_covered_is_refused_with_both_lists() -> None:
    with pytest.raises(RefusedError) as caught:
        require_acceptable(PAIR, [HOST, "a.example.com", "b.example.com"])

    (reason,) = caught.value.reasons
    assert reason.code == "attach_not_covered"
    assert "a.example.com, b.example.com" in reason.message
    assert f"{HOST}, www.shop.example.com" in reason.message


def test_files_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "b.pem").write_bytes(b"bundle\r\n")
    (tmp_path / "k.pem").write_bytes(b"key")

    pair = read_certificate_and_key(tmp_path / "b.pem", tmp_path / "k.pem")

    assert (pair.bundle, pair.key) == (b"bundle\r\n", b"key")


def test_one_of_them_may_be_standard_input(tmp_path: Path, standard_input: io.BytesIO) -> None:
    (tmp_path / "b.pem").write_bytes(CERTIFICATE)
    standard_input.write(KEY)
    standard_input.seek(0)

    assert read_certificate_and_key(tmp_path / "b.pem", Path("-")).key == KEY


def test_both_of_them_cannot_be_standard_input() -> None:
    with pytest.raises(CommandError, match="either the bundle or the key"):
        read_certificate_and_key(Path("-"), Path("-"))


@pytest.mark.parametrize(
    ("bundle", "key", "message"),
    [
        (MAX_BUNDLE_BYTES + 1, 1, "--bundle: .* too large: at most 256 KiB"),
        (1, MAX_KEY_BYTES + 1, "--key: .* too large: at most 32 KiB"),
        (0, 1, "--bundle: .* is empty"),
    ],
)
def test_a_file_that_is_too_large_for_an_upload_is_not_read(
    tmp_path: Path, bundle: int, key: int, message: str
) -> None:
    (tmp_path / "b.pem").write_bytes(b"x" * bundle)
    (tmp_path / "k.pem").write_bytes(b"x" * key)

    with pytest.raises(CommandError, match=message):
        read_certificate_and_key(tmp_path / "b.pem", tmp_path / "k.pem")


def test_an_endless_file_is_read_only_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "k.pem").write_bytes(KEY)

    with pytest.raises(CommandError, match="too large"):
        read_certificate_and_key(Path("/dev/zero"), tmp_path / "k.pem")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"--bundle: {tmp_path}/b.pem cannot be read: {os.strerror(2)}"):
        read_certificate_and_key(tmp_path / "b.pem", tmp_path / "k.pem")
