"""The files of a new PostgreSQL server: `initdb` creates them once, and copies take a tenth of the time."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Final

from dev import folders
from dev.program import ProgramError
from dev.servers import programs

SUPERUSER: Final = "certsmith"
DATA: Final = "data"
PASSWORD: Final = "password"

KEPT: Final = Path(__file__).parents[2] / ".run" / "postgresql"
INITDB: Final = ("--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")


def owner() -> str | None:
    """Return the user that must own the files and run the server, when this process's user cannot."""
    return "postgres" if os.getuid() == 0 else None


def copy_to(folder: Path) -> str:
    """Put the files of a new server into *folder* and return its superuser's password."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(folders.PASSABLE)
    kept = _kept()
    shutil.copytree(kept / DATA, folder / DATA)
    if user := owner():
        for path in (folder / DATA, *(folder / DATA).rglob("*")):
            shutil.chown(path, user, user)
    return (kept / PASSWORD).read_text()


def _kept() -> Path:
    """Return the cached cluster of this version of PostgreSQL; run initdb if there is none yet."""
    binaries = programs.postgresql_bin()
    kept = KEPT / str(binaries).strip("/").replace("/", "-")
    KEPT.mkdir(parents=True, exist_ok=True)
    with folders.locked(KEPT):
        if not kept.exists():
            half_made = kept.with_suffix(".new")
            shutil.rmtree(half_made, ignore_errors=True)
            with folders.run_folder("initdb") as folder:
                _initialize(folder, binaries / "initdb")
                shutil.copytree(folder, half_made)
            half_made.rename(kept)
    return kept


def _initialize(folder: Path, initdb: Path) -> None:
    """Let *initdb* create the files in *folder*, and store the superuser's password next to them."""
    password = folder / PASSWORD
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(16))
    (folder / DATA).mkdir(mode=0o700)
    if user := owner():
        shutil.chown(password, user, user)
        shutil.chown(folder / DATA, user, user)
    command: list[str | Path] = [initdb, *INITDB, "--pwfile", password, folder / DATA]
    done = subprocess.run(
        command,
        user=owner(),
        extra_groups=[] if owner() else None,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProgramError(f"initdb exited with status {done.returncode}\n{done.stdout}{done.stderr}")
