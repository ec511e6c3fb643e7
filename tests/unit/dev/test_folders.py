"""Folders of runs are removed at the end, or by the next run if theirs was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dev import folders

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_folder_is_removed_at_the_end() -> None:
    with folders.run_folder("some") as folder:
        (folder / "file").touch()
        assert folder.name.startswith("some-")

    assert not folder.exists()


def test_a_folder_that_is_in_use_is_left_alone() -> None:
    with folders.run_folder("first") as first, folders.run_folder("second"):
        assert first.exists()


def test_the_next_run_removes_the_folders_of_a_killed_run(tmp_path: Path) -> None:
    script = "import sys, time\nfrom dev.folders import run_folder\n"
    script += "with run_folder('killed') as folder:\n    print(folder, flush=True)\n    time.sleep(600)"
    program = [sys.executable, "-c", script]
    with subprocess.Popen(
        program, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={"TMPDIR": str(tmp_path)}
    ) as killed:
        assert killed.stdout
        left = Path(killed.stdout.readline().strip())
        killed.send_signal(signal.SIGKILL)
    assert left.parent == folders.home()
    assert left.exists()

    with folders.run_folder("next"):
        assert not left.exists()


def test_other_users_may_enter_a_folder_but_not_list_it() -> None:
    with folders.run_folder("some") as folder:
        assert folder.stat().st_mode & 0o777 == 0o711
        assert folders.home().stat().st_mode & 0o777 == 0o711


def test_a_symbolic_link_in_place_of_our_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"certsmith-{os.getuid()}").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PermissionError, match="set TMPDIR to your own folder"):
        folders.home()
