"""deploy/make-secrets, which operators run first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.compose.file import ROOT, ComposeFile


def make(folder: Path, *arguments: str) -> None:
    """Run the script for *folder*, with the installed Certsmith."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CERTSMITH": f"{sys.executable} -m certsmith",
        "CERTSMITH_SECRETS": str(folder),
    }
    subprocess.run([ROOT / "deploy/make-secrets", *arguments], env=environment, check=True, capture_output=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files in *folder*."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of secrets for development."""
    folder = tmp_path_factory.mktemp("secrets")
    make(folder, "--dev")
    return folder


def test_every_secret_of_the_compose_file_is_made(made: Path) -> None:
    compose = ComposeFile.read(ROOT / "docker-compose.yml", {"CERTSMITH_SECRETS": str(made)})

    missing = [name for name, each in compose.document["secrets"].items() if not Path(each["file"]).is_file()]

    assert missing == []


def test_other_users_cannot_enter_the_folder_and_containers_can_read_the_files(made: Path) -> None:
    folders = [made, made / "keys"]
    files = [path for path in made.rglob("*") if path.is_file()]

    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o444}


def test_no_password_is_used_twice(made: Path) -> None:
    urls = [path.read_text() for path in made.glob("*_url")]
    passwords = [url.split("@")[0].rpartition(":")[2] for url in urls]

    assert len({*passwords}) == len(urls) == 11
    assert all(len(password) == 48 for password in passwords)


def test_the_administrators_passwords_are_those_in_their_addresses(made: Path) -> None:
    files = contents(made)

    assert files["postgres_password"] in files["database_url"]
    assert files["rabbitmq_password"] in files["amqp_url"]
    assert b"default_pass = " + files["rabbitmq_password"] + b"\n" in files["rabbitmq_administrator.conf"]


def test_repeating_it_changes_nothing(made: Path) -> None:
    before = contents(made)

    make(made, "--dev")

    assert contents(made) == before


def test_a_deleted_address_gets_a_new_password_and_nothing_else_changes(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "terminator_amqp_url").unlink()

    make(tmp_path)

    after = contents(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"terminator_amqp_url"}


def test_an_older_installation_gets_the_validators_addresses_and_nothing_else_changes(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    added = {"validator_database_url", "validator_amqp_url"}
    for name in added:
        (tmp_path / name).unlink()

    make(tmp_path)

    after = contents(tmp_path)
    assert {name for name in after if after[name] != before[name]} == added


def test_a_machine_may_lack_the_rings_that_it_does_not_need(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "keys/vault.secret.json").unlink()

    make(tmp_path)

    assert not (tmp_path / "keys/vault.secret.json").exists()


def test_without_docker_compose_it_names_the_missing_command(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'docker: unknown command: docker compose' >&2\nexit 1\n")  # a plugin is missing
    docker.chmod(0o700)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CERTSMITH_SECRETS": str(tmp_path / "secrets")}

    done = subprocess.run([ROOT / "deploy/make-secrets"], env=environment, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == (
        "no key rings: install Docker Compose, or set CERTSMITH to a certsmith command on this machine\n"
    )


def test_production_gets_no_files_of_the_development_ca(tmp_path: Path) -> None:
    make(tmp_path)
    files = contents(tmp_path)

    assert [name for name in files if "pebble" in name] == []
    assert files["autocert_trusted_ca"] == b""

    make(tmp_path, "--dev")

    assert contents(tmp_path)["autocert_trusted_ca"].startswith(b"-----BEGIN CERTIFICATE-----")
