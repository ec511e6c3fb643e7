"""The wheel, installed with the pinned requirements into an otherwise empty environment."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("certsmith", "services", "shared")
pytestmark = pytest.mark.xdist_group("wheel")  # one process builds and installs

UV: Final = (sys.executable, "-m", "uv", "--quiet")
EX_CONFIG: Final = 78

IMPORT_ALL: Final = """
import importlib, json, pkgutil, certsmith, services, shared
tops = (certsmith, services, shared)
names = [each.name for top in tops for each in pkgutil.walk_packages(top.__path__, f"{top.__name__}.")]
print(json.dumps({name: importlib.import_module(name).__file__ for name in names}))
"""
PROVIDERS: Final = """
import json
from importlib.metadata import packages_distributions
providers = packages_distributions()
print(json.dumps([providers[name] for name in ("certsmith", "services", "shared")]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of this checkout, built without downloads."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Return the folder of an environment with only the requirements, by hash, and the wheel."""
    folder = wheel.parent / "environment"
    run([*UV, "venv", "--python", sys.executable, folder], cwd=wheel.parent)
    install = [*UV, "pip", "install", "--python", folder, "--only-binary=:all:"]
    pinned = [*install, "--require-hashes", "--requirement", ROOT / "requirements.txt"]
    try:
        run([*pinned, "--offline"], cwd=wheel.parent)
    except AssertionError:  # not all of them were ever downloaded here
        run(pinned, cwd=wheel.parent)
    run([*install, "--offline", "--no-deps", wheel], cwd=wheel.parent)
    return folder


def run(command: Sequence[object], *, cwd: Path, expected: int = 0, **settings: str) -> str:
    """Run *command* in a clean environment and return its output; fail unless it exits with *expected*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [*map(str, command)]
    ended = subprocess.run(words, check=False, cwd=cwd, env=kept | settings, capture_output=True, text=True)
    text = ended.stdout + ended.stderr
    assert ended.returncode == expected, f"{' '.join(words)}\n{text}"
    return text


def sources() -> Iterator[str]:
    """Yield the files that belong into the wheel."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(ROOT))


def test_the_wheel_has_exactly_the_files_of_our_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == {*sources()}
    assert any(name.endswith(".sql") for name in names)
    assert "shared/py.typed" in names


def test_every_module_can_be_imported_from_the_wheel(installed: Path) -> None:
    files = json.loads(run([installed / "bin/python", "-c", IMPORT_ALL], cwd=installed))

    assert {"services.provisioner.app", "services.terminator.worker.app", "certsmith.__main__"} <= files.keys()
    assert [file for file in files.values() if file and not file.startswith(str(installed))] == []


def test_the_wheel_needs_only_the_pinned_requirements(installed: Path) -> None:
    run([*UV, "pip", "check", "--python", installed], cwd=installed)


def test_no_other_distribution_has_our_import_names(installed: Path) -> None:
    assert json.loads(run([installed / "bin/python", "-c", PROVIDERS], cwd=installed)) == [["certsmith"]] * 3


def test_the_command_line_answers(installed: Path) -> None:
    text = run([installed / "bin/certsmith", "--help"], cwd=installed)

    assert "migrate" in text


@pytest.mark.parametrize("service", ["provisioner", "terminator"])
def test_a_service_without_its_keys_says_what_to_do(installed: Path, service: str) -> None:
    command = [installed / "bin/python", "-m", f"services.{service}"]

    text = run(command, cwd=installed, expected=EX_CONFIG, CERTSMITH_KEYS_DIR=str(installed / "nowhere"))

    assert "certsmith keys generate" in text
