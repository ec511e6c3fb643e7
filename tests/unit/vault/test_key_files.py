"""Key files are generated once and completely, read strictly, and needed only by the processes that use them."""

import json
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certsmith.rotation.generation import generate, status
from shared.errors import SettingsError
from shared.identifiers import KeyId
from shared.settings import load
from shared.vault import KeyFiles, Ring, ring_storage
from shared.vault import key_files as files
from shared.vault.rings import utc_now

NAMES = sorted(file.name for file in files.ALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def key_files(folder: Path) -> KeyFiles:
    return KeyFiles(keys_dir=folder)


def change(path: Path, **fields: Any) -> None:
    """Set *fields* of the first key in the ring file at *path*."""
    document = json.loads(path.read_text())
    document["keys"][0].update(fields)
    path.write_text(json.dumps(document))


def test_all_rings_are_generated_and_only_the_owner_can_read_secrets(folder: Path) -> None:
    made = generate(folder)

    assert sorted(path.name for path in made) == sorted(path.name for path in folder.iterdir()) == NAMES
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made}
    assert {name for name, mode in modes.items() if mode == 0o600} == {name for name in NAMES if "secret" in name}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_key_sealed_by_one_process_opens_in_another(folder: Path) -> None:
    generate(folder)
    keys = key_files(folder)

    sealed = keys.key_writer("provisioner").seal(
        key_id=KeyId("key_1"), tenant="", private_key_pkcs8=b"secret", public_key_spki=b"public"
    )
    of_validator = keys.key_writer("validator").seal(
        key_id=KeyId("key_2"), tenant="", private_key_pkcs8=b"uploaded", public_key_spki=b"public"
    )
    account = keys.account_key_box().seal(b"account", context="")
    upload = keys.upload_writer().seal(
        certificate_id="c", tenant="", bundle=b"", expires_at=datetime(2027, 1, 1, tzinfo=UTC), private_key_pem="k"
    )

    assert keys.key_reader().open(sealed, tenant="") == b"secret"
    assert keys.key_reader().open(of_validator, tenant="") == b"uploaded"
    assert keys.account_key_box().open(account.ciphertext, key_id=account.key_id, context="") == b"account"
    now = datetime(2026, 12, 31, tzinfo=UTC)
    assert keys.upload_reader().open(upload, certificate_id="c", tenant="", bundle=b"", now=now) == "k"


@pytest.mark.parametrize(
    ("needed", "use"),
    [
        (["vault.public.json", "signing.provisioner.secret.json"], lambda keys: keys.key_writer("provisioner")),
        (["vault.public.json", "signing.validator.secret.json"], lambda keys: keys.key_writer("validator")),
        (["vault.secret.json", "verify.json"], lambda keys: keys.key_reader()),
        (["provisioner.secret.json"], lambda keys: keys.account_key_box()),
        (["intake.public.json"], lambda keys: keys.upload_writer()),
        (["intake.secret.json"], lambda keys: keys.upload_reader()),
    ],
)
def test_a_process_needs_its_own_files_and_no_others(folder: Path, tmp_path: Path, needed: list[str], use: Any) -> None:
    generate(folder)
    own = tmp_path / "own"
    own.mkdir()
    for name in needed:
        shutil.copy(folder / name, own)

    use(key_files(own))

    for name in needed:
        (own / name).rename(own / "away")
        with pytest.raises(SettingsError, match=f"{name}: there is no such key ring"):
            use(key_files(own))
        (own / "away").rename(own / name)


def test_one_file_may_be_outside_the_common_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(folder)
    (folder / "vault.secret.json").rename(tmp_path / "mounted")
    monkeypatch.setenv("CERTSMITH_KEYS_DIR", str(folder))
    monkeypatch.setenv("VAULT_SECRET_FILE", str(tmp_path / "mounted"))

    load(KeyFiles).key_reader()


@pytest.mark.parametrize("file", files.ALL, ids=lambda file: file.name)
def test_every_file_has_its_own_setting(file: files.KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    alias = KeyFiles.model_fields[file.field].validation_alias
    monkeypatch.setenv(str(alias), "/run/secrets/ring")

    assert load(KeyFiles).path_of(file) == Path("/run/secrets/ring")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_generated_if_one_ring_already_exists(folder: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).write_text("precious")

    with pytest.raises(SettingsError, match=f"{name} exists already"):
        generate(folder)

    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text() == "precious"


def test_of_many_concurrent_generations_one_succeeds(folder: Path) -> None:
    def attempt(_number: int) -> int:
        try:
            return len(generate(folder))
        except SettingsError:
            return 0

    with ThreadPoolExecutor(8) as executor:
        made = list(executor.map(attempt, range(16)))

    assert sorted(made)[-2:] == [0, len(NAMES)]
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert [ring.problem for ring in status(key_files(folder))] == [None] * len(NAMES)


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="cannot be made there"):
        generate(tmp_path / "file" / "keys")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a key ring"),
        ("[]", "not a key ring"),
        ('{"ring": "vault", "keys": []}', "keys: Tuple should have at least 1 item"),
        ('{"ring": "intake", "keys": [{"id": "a", "public": "", "created_at": "2026-01-01T00:00:00Z"}]}', "'intake'"),
        ('{"ring": "vault", "keys": [{"id": "a", "secret": "", "created_at": "2026-01-01T00:00:00Z"}]}', "no public"),
        ('{"ring": "vault", "keys": [{"id": "a", "public": "#", "created_at": "2026-01-01T00:00:00Z"}]}', "32 bytes"),
        (
            '{"ring": "vault", "keys": [{"id": "a", "public": "AAAA", "created_at": "2026-01-01T00:00:00Z"}]}',
            "32 bytes",
        ),
        ('{"ring": "vault", "keys": [{"id": "a", "public": "", "created_at": "2026-01-01T00:00:00"}]}', "created_at"),
        ('{"ring": "vault", "keys": [{"id": "A b", "public": "", "created_at": "2026-01-01T00:00:00Z"}]}', "keys.0.id"),
    ],
)
def test_a_file_without_the_expected_ring_is_named_with_the_reason(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "vault.public.json"
    path.write_text(content)

    with pytest.raises(SettingsError) as caught:
        ring_storage.load(path, ring="vault", half="public")

    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_an_error_does_not_show_the_secret(folder: Path) -> None:
    generate(folder)
    path = folder / "vault.secret.json"
    secret = json.loads(path.read_text())["keys"][0]["secret"]
    change(path, created_at="never", surplus=secret)

    with pytest.raises(SettingsError) as caught:
        key_files(folder).key_reader()

    assert "created_at" in str(caught.value)
    assert secret not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_a_ring_is_read_as_it_was_written(folder: Path) -> None:
    generate(folder)
    change(folder / "vault.secret.json", retired_at="2026-01-01T00:00:00Z")
    ring = ring_storage.load(folder / "vault.secret.json", ring="vault", half="secret")

    (folder / "copy").write_bytes(ring_storage.dump(ring, half="secret"))

    assert ring_storage.load(folder / "copy", ring="vault", half="secret") == ring


def test_a_ring_with_only_retired_keys_does_not_seal(folder: Path) -> None:
    generate(folder)
    change(folder / "vault.public.json", retired_at="2026-01-01T00:00:00Z")

    with pytest.raises(SettingsError, match="no key that is active and not retired"):
        key_files(folder).key_writer("provisioner")


def test_no_ring_shows_its_secrets(folder: Path) -> None:
    generate(folder)
    ring: Ring = key_files(folder).load(files.VAULT_SECRET)
    secret = ring.current_at(utc_now()).material

    assert repr(secret)[2:-1] not in repr(ring)


def test_the_status_of_new_rings_has_no_problems(folder: Path) -> None:
    generate(folder)

    found = status(key_files(folder))

    assert [each.file for each in found] == list(files.ALL)
    assert {each.problem for each in found} == {None}
    assert all(each.ring is not None and len(each.ring.current_at(utc_now()).id) > 16 for each in found)


def test_the_status_names_missing_exposed_and_mismatched_files(folder: Path, tmp_path: Path) -> None:
    generate(folder)
    generate(tmp_path / "other")
    (folder / "intake.secret.json").unlink()
    folder.chmod(0o755)
    (folder / "vault.secret.json").chmod(0o644)
    shutil.copy(tmp_path / "other" / "verify.json", folder)

    problems = {each.file.name: each.problem for each in status(key_files(folder)) if each.problem}

    assert set(problems) == {"intake.secret.json", "vault.secret.json", "verify.json"}
    assert "no such key ring" in str(problems["intake.secret.json"])
    assert "chmod 600" in str(problems["vault.secret.json"])
    assert "no matching public half for validator-" in str(problems["verify.json"])


def test_a_readable_secret_in_a_closed_folder_is_not_a_problem(folder: Path) -> None:
    generate(folder)
    (folder / "vault.secret.json").chmod(0o444)

    assert {each.problem for each in status(key_files(folder))} == {None}


def test_the_remains_of_an_interrupted_generation_do_not_block_the_next(folder: Path) -> None:
    (folder / ".new-0123").mkdir(parents=True)
    (folder / ".new-0123" / "vault.secret.json").touch()

    assert len(generate(folder)) == len(NAMES)
