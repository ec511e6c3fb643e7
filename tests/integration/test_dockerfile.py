"""The promises of the image, read from its Dockerfile; the tests need no Docker."""

import json
import re
import tomllib
from typing import Final

import pytest

from tests.rig.compose.dockerfile import Instruction, environment, stages
from tests.rig.compose.file import ROOT, ComposeFile

ARGUMENTS, BUILD, FINAL = stages(ROOT / "Dockerfile")
COMPOSE: Final = ComposeFile.read(ROOT / "docker-compose.yml", {})
OURS: Final = [each for each in COMPOSE.services.values() if each.is_ours]


def _named(stage: list[Instruction], name: str) -> list[Instruction]:
    return [each for each in stage if each.name == name]


def test_every_copied_file_exists_and_is_in_the_build_context() -> None:
    sources = [word for each in _named(BUILD, "COPY") for word in each.words[:-1]]
    sent = (ROOT / ".dockerignore").read_text().splitlines()

    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if f"!{source}" not in sent] == []
    assert {line.removeprefix("!") for line in sent if line.startswith("!")} == {*sources}


def test_the_build_context_has_no_other_files() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]

    assert rules[0] == "*"


def test_the_base_is_a_release_and_the_same_for_both_stages() -> None:
    assert re.fullmatch(r"PYTHON=python:3\.\d+-slim-\w+", ARGUMENTS[0].text)
    assert [BUILD[0].words[0], FINAL[0].words[0]] == ["${PYTHON}", "${PYTHON}"]


def test_every_package_is_installed_by_hash_or_from_the_build_context() -> None:
    commands = [part for each in _named(BUILD, "RUN") for part in each.text.split("&&")]
    installing = [each for each in commands if re.search(r"\bpip\b.*\b(install|wheel)\b", each)]

    assert len(installing) == 4
    for command in installing:
        assert {"--require-hashes", "--no-index"} & {*command.split()}, command


@pytest.mark.parametrize("name", ["requirements.txt", "deploy/requirements-build.txt"])
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    assert len(requirements) > 5
    for each in requirements:
        assert re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:", each), each


def test_the_final_stage_has_no_installer_and_copies_only_the_installation() -> None:
    assert "pip uninstall" in _named(FINAL, "RUN")[0].text
    assert "apt" not in " ".join(each.text for each in FINAL)
    assert [each.words for each in _named(FINAL, "COPY")] == [("--from=build", "/opt/certsmith", "/opt/certsmith")]


def test_it_runs_as_a_user_without_files() -> None:
    (user,) = _named(FINAL, "USER")

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.text)
    assert {each.definition["user"] for each in OURS} == {user.text}


def test_modules_are_imported_only_from_the_installation() -> None:
    assert environment(FINAL)["PYTHONSAFEPATH"] == "1"


def test_every_command_is_in_the_image() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (default,) = _named(FINAL, "CMD")
    commands = [default.words, *(each.command for each in OURS), *(each.health_check or () for each in OURS)]

    for program, *arguments in filter(None, commands):
        if program == "python":
            assert arguments[0] == "-m"
            module = ROOT / arguments[1].replace(".", "/")
            own = module.with_suffix(".py").exists() or (module / "__main__.py").exists()
            assert own or arguments[1] == "http.server", arguments
        else:
            assert program in scripts


def test_the_image_for_development_has_what_its_services_run() -> None:
    _, only = stages(ROOT / "deploy/pebble/Dockerfile")
    (copied,) = _named(only, "COPY")

    assert (ROOT / "deploy/pebble" / copied.words[0]).stat().st_mode & 0o111 == 0o111
    assert _named(only, "USER")[0].text == "10001:10001"
    for name in ("pebble", "names"):
        program, _, second, *_ = COMPOSE.services[name].command
        assert (program, second) in (("with-address", "pebble"), ("with-address", "pebble-challtestsrv"))
    settings = json.loads((ROOT / "deploy/pebble/pebble.json").read_text())["pebble"]
    assert {settings["certificate"], settings["privateKey"]} == COMPOSE.services["pebble"].secrets.keys()
